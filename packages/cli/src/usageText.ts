/** As it was typed, where it was: the parser forgets its dashes. */
function typed(name: string, argv: readonly string[]): string {
  const isIt = (arg: string): boolean => arg.replace(/^-+|=.*$/gs, '') === name;
  return argv.find(isIt)?.replace(/=.*$/s, '') ?? name;
}

/**
 * What the parser says of a command line, in words of ours and on one line.
 *
 * @param message the parser's, in English.
 * @param positionals what the command takes that the message is about: `<level>`.
 */
export function usageText(
  message: string,
  argv: readonly string[],
  positionals: readonly string[],
): string {
  const [, kind, names = ''] = /^Unknown (argument|command)s?: (.*)$/s.exec(message) ?? [];
  if (kind) {
    const list = names.split(', ').map((name) => typed(name, argv));
    return `unknown ${kind} ${list.join(', ')}`;
  }
  const following = /^Not enough arguments following: (.*)$/s.exec(message)?.[1];
  if (following) return `--${following} needs a value`;
  const got = /^Not enough non-option arguments: got (\d+)/.exec(message)?.[1];
  if (got) return `missing: ${positionals.slice(Number(got)).join(' ')}`;
  return message.trim().replace(/\s*\n\s*/g, '; ');
}
