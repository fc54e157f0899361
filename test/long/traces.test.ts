import { noDrops, packetFlags } from '@kvm-audio/protocol';
import { Random } from '../helpers/random.js';
import { play } from '../simulation/compare.js';
import { type PlayoutSecond, PlayoutSimulation } from '../simulation/PlayoutSimulation.js';
import { type Arrival, type PacketFate, type TraceOptions, trace } from '../simulation/Trace.js';
import { type NamedTrace, stallMs, traces } from '../simulation/traces.js';

const frameMs = 20;
/** Between the target and the delay: the frame itself, and the punctual packet's way. */
const networkMs = 5;

type Seen = { simulation: PlayoutSimulation; seconds: PlayoutSecond[] };

function watch(named: NamedTrace): Seen {
  const seconds: PlayoutSecond[] = [];
  const simulation = play(named, { onSecond: (second) => seconds.push({ ...second }) });
  return { simulation, seconds };
}

/** Of the delay in the given seconds, without those in which nothing was heard. */
const delays = (seconds: readonly PlayoutSecond[], from: number, to?: number): number[] =>
  seconds.slice(from, to).flatMap(({ delayMs }) => (Number.isNaN(delayMs) ? [] : [delayMs]));

/** A stream of 20 ms frames through a way that keeps its packets for 5 ms. */
function simple(seconds: number, fate: (index: number) => Partial<PacketFate>): TraceOptions {
  return { seconds, frameMs, fate: ({ index }) => ({ delayMs: networkMs, ...fate(index) }) };
}

function playArrivals(arrivals: Iterable<Arrival>, seconds: number): PlayoutSimulation {
  return new PlayoutSimulation({ arrivals, seconds }).run();
}

describe('a steady source', () => {
  test('on this machine is heard whole, at the start’s margin or less', () => {
    const { simulation, seconds } = watch(traces.local);
    expect(simulation.concealedPercent).toBeLessThan(0.01);
    expect(simulation.delays.quantileMs(0.99)).toBeLessThan(frameMs + 10 + 3);
    expect(seconds.at(-1)?.goalMs).toBeLessThan(14);
  });

  test('behind a calm network is heard sooner than at the start', () => {
    const { seconds, simulation } = watch(traces.network);
    expect(Math.max(...delays(seconds, 300))).toBeLessThanOrEqual(frameMs + networkMs + 25);
    expect(simulation.concealedPercent).toBeLessThan(0.05);
  });

  test('without any jitter is heard at the least margin after a while', () => {
    const { target } = playArrivals(trace(simple(60, () => ({}))), 60);
    expect(target.goalFrames).toBe(target.lowWaterFrames + 2 * 48);
  });
});

describe('losses', () => {
  test.each([
    ['loss1', 1],
    ['loss5', 5],
    ['loss20', 20],
    ['loss5Bursty', 5],
    ['loss20Bursty', 20],
  ] as const)('of %s are made up, hardly more, and cost no delay', (name, percent) => {
    const { simulation } = watch(traces[name]);
    expect(simulation.concealedPercent).toBeGreaterThan(0.85 * percent);
    expect(simulation.concealedPercent).toBeLessThan(1.15 * percent + 0.05);
    expect(simulation.delays.quantileMs(0.99)).toBeLessThan(frameMs + networkMs + 25);
  });
});

describe('a stall of 2 s', () => {
  test('adds no lasting delay: after a second the newest is heard, within the target', () => {
    const { simulation, seconds } = watch(traces.stall);
    const after = (stallMs.from + stallMs.length) / 1000 + 1;
    const { goalMs } = seconds[after] as PlayoutSecond;
    expect(Math.max(...delays(seconds, after))).toBeLessThanOrEqual(
      frameMs + networkMs + goalMs + 5 + 1,
    );
    expect(Math.max(...delays(seconds, after))).toBeLessThanOrEqual(
      Math.max(...delays(seconds, 30, 60)) + 5,
    );
    expect(simulation.delays.mostMs).toBeLessThan(goalMs + frameMs + 60);
  });
});

describe('Wi-Fi that stops for 100 to 300 ms', () => {
  test('again and again is followed, up to the greatest target and no further', () => {
    const { simulation, seconds } = watch(traces.wifiOften);
    expect(Math.max(...seconds.map(({ goalMs }) => goalMs))).toBeLessThanOrEqual(150);
    // Of 600 s: some 115 stops of 200 ms, whole, would be nearly 4 %.
    expect(simulation.concealedPercent).toBeLessThan(2.2);
    expect(simulation.delays.quantileMs(0.99)).toBeLessThan(150 + frameMs + networkMs + 10);
  });

  test('once a minute is made up for, not chased', () => {
    const { simulation } = watch(traces.wifiRarely);
    expect(simulation.delays.meanMs).toBeLessThan(60);
    expect(simulation.concealedPercent).toBeLessThan(0.4);
  });
});

describe('clocks that differ by 300 ppm', () => {
  test.each(['fast', 'slow'] as const)('cost no growing delay (card %s)', (name) => {
    const { simulation, seconds } = watch(traces[name]);
    const early = delays(seconds, 60, 180);
    const late = delays(seconds, -120);
    expect(Math.abs(Math.max(...late) - Math.max(...early))).toBeLessThan(6);
    expect(simulation.concealedPercent).toBeLessThan(0.05);
    // Of steps alone, ten minutes of it would need some forty and more.
    expect(simulation.skips).toBeLessThan(10);
  });
});

describe('a stream', () => {
  test('with packets out of order is heard whole once their lateness is known', () => {
    const swapped = simple(120, (index) => ({ delayMs: networkMs + (index % 50 === 7 ? 30 : 0) }));
    const { counters } = playArrivals(trace(swapped), 120);
    // Until the second of them, each costs its lateness over the start's margin.
    expect(counters.concealedFrames / 48).toBeLessThan(60);
    expect(counters.drops.late_packet).toBeLessThanOrEqual(2);
  });

  test('with copies is heard once, and they teach it nothing', () => {
    const copied = simple(30, (index) => (index % 3 === 0 ? { copyAfterMs: 70 } : {}));
    const { counters, target, delays } = playArrivals(trace(copied), 30);
    expect(counters.concealedFrames).toBe(0);
    expect(counters.drops.late_packet + counters.drops.duplicate_packet).toBeGreaterThan(490);
    expect(delays.count).toBeLessThan(1_500);
    expect(target.goalFrames / 48).toBeLessThan(10);
  });

  test('is not hurt by the wrap of its sequence number', () => {
    const options = { ...simple(20, () => ({})), firstSeq: 2 ** 32 - 500 };
    const { counters, card } = playArrivals(trace(options), 20);
    expect(counters.drops).toEqual(noDrops());
    expect(counters.concealedFrames).toBe(0);
    expect(card.underruns).toBe(0);
  });

  test('whose time jumps by announcement goes on at the same delay', () => {
    const seconds: PlayoutSecond[] = [];
    function* jump(): Generator<Arrival> {
      const all = simple(20, (index) =>
        index === 500 ? { flags: packetFlags.discontinuity } : {},
      );
      for (const arrival of trace(all)) {
        const { packet } = arrival;
        const moved = packet.seq >= 500 ? 48_000 * 3_600 : 0;
        yield { ...arrival, packet: { ...packet, mediaTime: packet.mediaTime + moved } };
      }
    }
    const { counters } = new PlayoutSimulation({
      arrivals: jump(),
      seconds: 20,
      onSecond: (second) => seconds.push({ ...second }),
    }).run();
    expect(counters.concealedFrames).toBe(0);
    expect(counters.drops).toEqual(noDrops());
    expect(Math.max(...delays(seconds, 11))).toBeLessThan(frameMs + networkMs + 20 + 1);
  });

  test('that pauses without sending, as it has said, is filled quietly and goes on', () => {
    const random = new Random(4);
    let pauseTo = 0;
    const dtx = simple(60, (index) => {
      if (index < pauseTo) return { unsent: true };
      if (random.chance(0.02)) {
        pauseTo = index + random.integer(5, 20);
        return { bytes: 1, flags: packetFlags.dtx };
      }
      return {};
    });
    const arrivals = trace(dtx);
    const simulation = new PlayoutSimulation({ arrivals, seconds: 60, targetMs: 20 }).run();
    const { counters, card, delays } = simulation;
    expect(counters.concealedFrames).toBe(0);
    expect(counters.insertedFrames + counters.trimmedFrames).toBe(0);
    expect(counters.drops).toEqual(noDrops());
    expect(card.underruns).toBe(0);
    expect(delays.mostMs).toBeLessThan(frameMs + networkMs + 20 + 1);
  });
});
