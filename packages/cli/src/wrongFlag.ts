import { quoted } from '@kvm-audio/protocol';

/**
 * The parser takes a flag's value that is neither `true` nor `false` for false, without a word.
 *
 * @param flags names of the options that are one or the other.
 * @returns what to say of the first that has such a value; undefined where none has.
 */
export function wrongFlag(argv: readonly string[], flags: readonly string[]): string | undefined {
  for (const arg of argv) {
    const [, name = '', value] = /^--([^=]+)=(.*)$/s.exec(arg) ?? [];
    if (value === undefined || !flags.includes(name) || ['true', 'false'].includes(value)) continue;
    return `--${name} must be true or false, not ${quoted(value)}`;
  }
  return undefined;
}
