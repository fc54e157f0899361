import { setTimeout as pause } from 'node:timers/promises';

const everyMs = 50;

/** What is waited for will never be: `waitFor` gives up at once. */
export class NeverError extends Error {}

/**
 * Asks until the answer is neither `undefined` nor `false`; an error counts as no answer yet.
 *
 * @param what completes the sentence "there was no …" of the error.
 */
export async function waitFor<T>(
  what: string,
  ask: () => Promise<T | undefined | false> | T | undefined | false,
  timeoutMs = 30_000,
): Promise<T> {
  const deadlineMs = performance.now() + timeoutMs;
  for (;;) {
    let reason = '';
    try {
      const answer = await ask();
      if (answer !== undefined && answer !== false) return answer;
    } catch (error) {
      if (error instanceof NeverError) throw error;
      reason = `: ${(error as Error).message}`;
    }
    if (performance.now() > deadlineMs) throw new Error(`no ${what} in ${timeoutMs} ms${reason}`);
    await pause(everyMs);
  }
}
