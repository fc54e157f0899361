import type { Options } from 'yargs';

export const jsonOption = {
  json: { type: 'boolean', default: false, describe: 'everything, as JSON' },
} as const satisfies Record<string, Options>;

/** To standard output: the daemon's answer as it is, or as a person reads it. */
export function printAnswer<T>(answer: T, json: boolean, format: (answer: T) => string): void {
  console.log(json ? JSON.stringify(answer, null, 2) : format(answer));
}
