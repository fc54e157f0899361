/** What the parser is to say where there is none. */
export const commandMissing = 'a command is missing';

/** As it was typed, where it was: the parser forgets its dashes. */
function typed(name: string, argv: readonly string[]): string {
  const isIt = (arg: string): boolean => arg.replace(/^-+|=.*$/gs, '') === name;
  return argv.find(isIt)?.replace(/=.*$/s, '') ?? name;
}

/** Options among the arguments that the command does not know. */
function unknownOptions(argv: readonly string[], known: readonly string[]): string[] {
  const options = argv.filter((arg) => /^--?[a-z]/i.test(arg));
  return options
    .map((option) => option.replace(/=.*$/s, ''))
    .filter((option) => !known.includes(option.replace(/^-+(no-)?/, '')));
}

/**
 * What the parser says of a command line, in words of ours and on one line.
 *
 * @param message the parser's, in English.
 * @param positionals what the command takes that the message is about: `<level>`.
 * @param known names of its options.
 */
export function usageText(
  message: string,
  argv: readonly string[],
  positionals: readonly string[],
  known: readonly string[],
): string {
  const [, kind, names = ''] = /^Unknown (argument|command)s?: (.*)$/s.exec(message) ?? [];
  if (kind) {
    const list = names.split(', ').map((name) => typed(name, argv));
    return `unknown ${kind} ${list.join(', ')}`;
  }
  const following = /^Not enough arguments following: (.*)$/s.exec(message)?.[1];
  if (following) return `--${following} needs a value`;
  const got = /^Not enough non-option arguments: got (\d+)/.exec(message)?.[1];
  if (got || message === commandMissing) {
    // An option that is unknown has taken the argument behind it, which is not what is missing.
    const unknown = unknownOptions(argv, known);
    if (unknown.length > 0) return `unknown argument ${unknown.join(', ')}`;
  }
  if (got) return `missing: ${positionals.slice(Number(got)).join(' ')}`;
  return message.trim().replace(/\s*\n\s*/g, '; ');
}
