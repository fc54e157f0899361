import { quoted } from '@kvm-audio/protocol';

/**
 * Of an argument that is one of a few words: names them in its help, and in one line where it is
 * another.
 *
 * @param name as it is typed: `<level>`, `--quality`.
 */
export function choice<const Words extends readonly string[]>(
  name: string,
  words: Words,
  describe: string,
): { type: 'string'; describe: string; coerce(value: string): Words[number] } {
  return {
    type: 'string',
    describe: `${describe}: ${words.join(', ')}`,
    coerce: (value) => {
      if (words.includes(value)) return value;
      throw new Error(`${name} must be one of ${words.join(', ')}, not ${quoted(value)}`);
    },
  };
}
