import type { StreamState } from '@kvm-audio/protocol';

/** A card that has not moved for so long has nobody at its other end. Not a fault. */
export const standstillMsMax = 500;

/** In words, for who looks at it; null where the state is none of a card that stands still. */
export function standstillReason(state: StreamState): string | null {
  if (state === 'host-idle') return 'the card takes no sound: its host does not listen, or sleeps';
  return state === 'no-signal' ? 'the card gives no sound: it has no signal, or sleeps' : null;
}

/** A call on the card that does not return for so long hangs: it may never return. */
const callMsMax = 500;

type CallCounters = { inCallSinceUs: number };

/** For how long the device's thread has been inside a call that does not return, 0 = it is not. */
export function callMs(counters: CallCounters | undefined, nowUs: number): number {
  const sinceUs = counters?.inCallSinceUs ?? 0;
  return sinceUs === 0 ? 0 : Math.max(0, nowUs - sinceUs) / 1000;
}

/** Opening a card takes a while on some. */
const openingMsMax = 3_000;

/**
 * @param counters of the open device, as the alsa addon has them.
 * @param openingMs for how long its opening has had no answer.
 * @returns what to tell of a call that hangs, null where none does.
 */
export function hangingCall(
  counters: CallCounters | undefined,
  openingMs: number,
  nowUs: number,
): string | null {
  const ms = callMs(counters, nowUs);
  if (ms > callMsMax) return `a call on the card has not returned for ${inSeconds(ms)}`;
  if (openingMs <= openingMsMax) return null;
  return `the card has not opened for ${inSeconds(openingMs)}`;
}

function inSeconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
