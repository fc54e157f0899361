import type { Log } from './LogRecord.js';

/**
 * SIGUSR1 would open Node's debugger, to every user of the machine, and SIGUSR2 end the process
 * without a word: here they mean nothing, and are told.
 * @param log asked for when one comes; undefined where there is none yet.
 */
export function ignoreUserSignals(log: () => Log | undefined): void {
  for (const signal of ['SIGUSR1', 'SIGUSR2'] as const) {
    process.on(signal, () => log()?.info({ signal }, 'a signal that means nothing was ignored'));
  }
}
