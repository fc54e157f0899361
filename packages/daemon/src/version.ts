/** The version of every package here; told in `hello` and by `--version`. */
export const version = '0.1.0';
