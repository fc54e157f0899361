/** A card that has not moved for so long has nobody at its other end. Not a fault. */
export const standstillMsMax = 500;

/** A call on the card that does not return for so long hangs: it may never return. */
const callMsMax = 500;

/**
 * @param counters of the open device, as the alsa addon has them.
 * @returns what to tell of a call that hangs, null where none does.
 */
export function hangingCall(
  counters: { inCallSinceUs: number } | undefined,
  nowUs: number,
): string | null {
  const sinceUs = counters?.inCallSinceUs ?? 0;
  const ms = sinceUs === 0 ? 0 : (nowUs - sinceUs) / 1000;
  return ms > callMsMax ? `a call on the card hangs since ${(ms / 1000).toFixed(1)} s` : null;
}
