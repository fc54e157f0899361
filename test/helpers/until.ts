/**
 * Waits until `condition` holds, on real time: it works under jest's fake timers as long as
 * setImmediate is left alone.
 */
export async function until(condition: () => boolean, what = 'the condition'): Promise<void> {
  const deadline = process.hrtime.bigint() + 5_000_000_000n;
  while (!condition()) {
    if (process.hrtime.bigint() > deadline) throw new Error(`${what} did not come true in 5 s`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
