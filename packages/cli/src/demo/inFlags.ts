/**
 * A line of the daemon's for who has given flags to the demo, and knows nothing of the
 * configuration that it has written from them.
 *
 * @param config the file of that, as the daemon was told it.
 */
export function inFlags(line: string, config: string): string {
  const prefix = `kvm-audiod: ${config}: `;
  if (!line.startsWith(prefix)) return line;
  const what = line.slice(prefix.length).replace(/^(input|output)\.device = /, '--$1 ');
  return `kvm-audioctl: ${what}`;
}
