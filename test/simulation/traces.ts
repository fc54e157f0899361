import { Random } from '../helpers/random.js';
import { type PacketFate, type TraceOptions, trace } from './Trace.js';

/** A way for packets, with the clocks at its ends. */
export type NamedTrace = {
  name: string;
  seconds: number;
  cardSkewPpm: number;
  options: Omit<TraceOptions, 'seconds' | 'frameMs' | 'fate'>;
  /** Anew for each run: a fate may depend on those before it. */
  fate: (random: Random) => TraceOptions['fate'];
};

const ten = 600;

/** In a sender on this machine: its own wake-up. */
const localMs = (random: Random): number => 0.2 - 0.3 * Math.log(1 - random.next());
/** Through an ordinary network, wired at the far end. */
const networkMs = (random: Random): number => 5 - 1.5 * Math.log(1 - random.next());

/** What is sent while the radio does not come through comes behind it, a millisecond apart. */
function wifi(random: Random, everyMs: number): TraceOptions['fate'] {
  let holdFromMs = everyMs * random.next();
  let holdToMs = holdFromMs;
  let queued = 0;
  return ({ atMs }) => {
    if (atMs > holdToMs && atMs > holdFromMs) {
      holdFromMs = Math.max(holdFromMs, atMs) - everyMs * Math.log(1 - random.next());
      holdToMs = holdFromMs + 100 + 200 * random.next();
      queued = 0;
    }
    const jitterMs = networkMs(random);
    if (atMs < holdFromMs || atMs > holdToMs) return { delayMs: jitterMs };
    queued += 1;
    return { delayMs: Math.max(jitterMs, holdToMs - atMs + queued) };
  };
}

/** Losses one by one, or in runs of so many on average (Gilbert's model). */
function lossy(random: Random, share: number, runPackets: number): TraceOptions['fate'] {
  const leave = 1 / runPackets;
  const enter = (leave * share) / (1 - share);
  let lost = false;
  return (): PacketFate => {
    lost = runPackets === 1 ? random.chance(share) : random.chance(lost ? 1 - leave : enter);
    const delayMs = networkMs(random);
    return { delayMs: lost ? undefined : delayMs };
  };
}

function stalled(random: Random, fromMs: number, forMs: number): TraceOptions['fate'] {
  return ({ atMs }) => {
    const delayMs = networkMs(random);
    const stands = atMs >= fromMs && atMs < fromMs + forMs;
    return { delayMs: stands ? Math.max(delayMs, fromMs + forMs - atMs) : delayMs };
  };
}

const over = (random: Random): TraceOptions['fate'] => {
  return () => ({ delayMs: networkMs(random) });
};

function named(
  name: string,
  fate: NamedTrace['fate'],
  changed: Partial<NamedTrace> = {},
): NamedTrace {
  return { name, seconds: ten, cardSkewPpm: 0, options: {}, fate, ...changed };
}

export const stallMs = { from: 60_000, length: 2_000 } as const;

export const traces = {
  local: named('steady, local', (random) => () => ({ delayMs: localMs(random) }), {
    options: { local: true },
  }),
  network: named('steady network', over),
  wifiOften: named('Wi-Fi, 100 to 300 ms each 5 s', (random) => wifi(random, 5_000)),
  wifiRarely: named('Wi-Fi, 100 to 300 ms each 60 s', (random) => wifi(random, 60_000)),
  loss1: named('1 % lost', (random) => lossy(random, 0.01, 1)),
  loss5: named('5 % lost', (random) => lossy(random, 0.05, 1)),
  loss20: named('20 % lost', (random) => lossy(random, 0.2, 1)),
  loss1Bursty: named('1 % lost, in runs of 4', (random) => lossy(random, 0.01, 4)),
  loss5Bursty: named('5 % lost, in runs of 4', (random) => lossy(random, 0.05, 4)),
  loss20Bursty: named('20 % lost, in runs of 4', (random) => lossy(random, 0.2, 4)),
  stall: named('one stall of 2 s', (random) => stalled(random, stallMs.from, stallMs.length), {
    seconds: 120,
  }),
  fast: named('card 300 ppm fast', over, { cardSkewPpm: 300 }),
  slow: named('card 300 ppm slow', over, { cardSkewPpm: -300 }),
} as const;

/** Always the same arrivals for the same trace. */
export function arrivalsOf({ seconds, options, fate }: NamedTrace): ReturnType<typeof trace> {
  return trace({ ...options, seconds, frameMs: 20, fate: fate(new Random(1)) });
}
