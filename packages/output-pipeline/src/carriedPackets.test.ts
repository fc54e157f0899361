import type { CarriedPacket } from '@kvm-audio/native-alsa/alsa';
import { type AudioPacket, mediaRate, noDrops, packetFlags } from '@kvm-audio/protocol';
import { CarryingBench } from '../../../test/helpers/CarryingBench.js';
import {
  type PlayerArrival,
  PlayerBench,
  packetOf,
  stream,
  targetMs,
  toc,
} from '../../../test/helpers/PlayerBench.js';
import { Random } from '../../../test/helpers/random.js';
import { receivedPacket } from '../../../test/helpers/receivedPacket.js';
import { silence } from '../../../test/helpers/SimulatedCard.js';

const ms = mediaRate / 1000;
const packetMs = 10;
/** Of the last packet before a pause. */
const pausing = Buffer.of(toc[packetMs]!, 0);
const seconds = 20;
const packets = (seconds * 1000) / packetMs;

/** Packet number `seq`. */
function tenMs(seq: number, changed: Partial<AudioPacket> = {}): AudioPacket {
  return { ...packetOf(seq, packetMs), ...changed };
}

/** The media time is 300 ms less from packet 500 on. */
function steppingBack(seq: number): AudioPacket {
  return packetOf(seq, packetMs, (1_000 + seq * packetMs - (seq < 500 ? 0 : 300)) * ms);
}

/** Packets in the order of their arrival. @param delayMs undefined: it is lost */
function arriving(
  delayMs?: (seq: number) => number | undefined,
  packet: (seq: number) => AudioPacket = tenMs,
): PlayerArrival[] {
  return stream(packets, packetMs, delayMs, packet).sort((a, b) => a.atMs - b.atMs);
}

/** The same stream, with the fast path and without. */
function both(
  arrivals: readonly PlayerArrival[],
  untilMs: number,
  skewPpm = 0,
): [CarryingBench, CarryingBench] {
  const random = new Random(11);
  const [carrying, plain] = [new CarryingBench(true), new CarryingBench(false)];
  for (const bench of [carrying, plain]) bench.card.skewPpm = skewPpm;
  carrying.run(arrivals, untilMs, () => random.chance(0.003));
  plain.run(arrivals, untilMs);
  return [carrying, plain];
}

/** Jest compares a million samples one by one. */
function bytesOf({ buffer, byteOffset, byteLength }: Int32Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

describe('a player that is told of carried packets', () => {
  const random = new Random(5);
  const jitter = Array.from({ length: packets }, () => random.next() * 4);
  const lost = Array.from({ length: packets }, () => random.chance(0.02));
  const sometimes = (seq: number): number => seq % 97;

  test.each<[string, PlayerArrival[], concealed?: boolean]>([
    ['that are punctual', arriving()],
    ['with some jitter', arriving((seq) => jitter[seq])],
    ['of which some are lost', arriving((seq) => (lost[seq] ? undefined : 0)), true],
    [
      'of which some are late, or out of order',
      arriving((seq) => (sometimes(seq) === 5 ? 25 : 0)),
      true,
    ],
    [
      'with a discontinuity now and then',
      arriving(
        () => 0,
        (seq) => tenMs(seq, { flags: sometimes(seq) === 5 ? packetFlags.discontinuity : 0 }),
      ),
    ],
    [
      'whose media time steps back without a word',
      arriving(
        () => 0,
        (seq) => ({ ...steppingBack(seq), captureTimeUs: undefined }),
      ),
    ],
    ['whose media time steps back, and not their capture time', arriving(() => 0, steppingBack)],
    [
      'with pauses',
      arriving(
        (seq) => (sometimes(seq) > 30 && sometimes(seq) < 50 ? undefined : 0),
        (seq) => tenMs(seq, sometimes(seq) === 30 ? { payload: pausing } : {}),
      ),
      true,
    ],
  ])('%s is where it would be had they come to it', (_, arrivals, concealed = false) => {
    const [carrying, plain] = both(arrivals, 1_000 + seconds * 1000);
    expect(carrying.carriedCount).toBeGreaterThan(packets / 4);
    expect(carrying.caughtUpCount).toBeGreaterThan(3);
    expect(carrying.concealedCount > 10).toBe(concealed);
    expect(plain.carriedCount).toBe(0);
    expect(carrying.state).toEqual(plain.state);
    expect(bytesOf(carrying.card.heard).equals(bytesOf(plain.card.heard))).toBe(true);
  });

  test.each([300, -300])('holds the margin where the clocks part by %d ppm', (skewPpm) => {
    const [carrying, plain] = both(arriving(), 1_000 + seconds * 1000, skewPpm);
    expect(carrying.carriedCount).toBeGreaterThan(packets / 2);
    for (const bench of [carrying, plain]) {
      expect(bench.counters.drops).toEqual(noDrops());
      expect([bench.counters.concealedFrames, bench.card.underruns]).toEqual([0, 0]);
      expect(bench.player.correctedBy).toBe('resampler');
    }
    // The pace changes with the packet behind the one that shows it.
    const off = carrying.player.margin.correctionPpm - plain.player.margin.correctionPpm;
    expect(Math.abs(off)).toBeLessThan(30);
    expect(Math.abs(carrying.player.marginMs! - plain.player.marginMs!)).toBeLessThan(0.5);
  });

  test('costs no silence where its process is late, as the card’s thread is not', () => {
    // Nearly too late, a little too late, while the process is about to read what was; in order.
    const late = [6, 9, 12, 14, 30];
    let delayMs = 0;
    const arrivals = arriving((seq) => {
      const ownMs = seq % 61 === 5 ? late[seq % late.length]! : 0;
      delayMs = Math.max(ownMs, delayMs - packetMs);
      return delayMs;
    });
    const benches = [true, false].map((carries) => new CarryingBench(carries, targetMs, () => 3));
    for (const bench of benches) bench.run(arrivals, 1_000 + seconds * 1000);
    const [carrying, plain] = benches as [CarryingBench, CarryingBench];
    expect(carrying.carriedCount).toBeGreaterThan(packets / 2);
    expect(carrying.concealedCount).toBeGreaterThan(packets / 61 / 2);
    expect(carrying.card.underruns).toBe(0);
    expect(plain.card.underruns).toBeGreaterThan(packets / 61 / 4);
  });

  test('lends nothing before it plays, and nothing while a change is under way', () => {
    const bench = new CarryingBench(false);
    expect(bench.player.engagement(bench.card.nowUs)).toBeUndefined();
    const arrivals = arriving();
    bench.run(arrivals.slice(0, 20), 1_200);
    // Its first windows are short.
    expect(bench.player.engagement(bench.card.nowUs)).toBeUndefined();
    bench.run(arrivals.slice(20, 200), 3_005);
    const steady = bench.player.engagement(bench.card.nowUs);
    expect(steady).toMatchObject({ nextSeq: 200, playTime: 200 * packetMs * ms });
    expect(steady!.scarceFrames).toBeLessThan(targetMs * ms);
    expect(steady!.marginFramesMax).toBeGreaterThan(targetMs * ms);
    expect(steady!.tellAtUs).toBeGreaterThan(bench.card.nowUs);
    expect(steady!.tellAtUs).toBeLessThan(bench.card.nowUs + 2_800_000);
    bench.player.setTarget(2 * targetMs);
    expect(bench.player.engagement(bench.card.nowUs)).toBeUndefined();
    bench.run(arrivals.slice(200, 400), 5_005);
    expect(bench.player.engagement(bench.card.nowUs)).toBeDefined();
    bench.player.end(bench.card.nowUs);
    expect(bench.player.engagement(bench.card.nowUs)).toBeUndefined();
  });

  test('follows a way that becomes longer, and one that becomes shorter', () => {
    const longer = (seq: number): number => (seq > 500 && seq < 1_400 ? 30 : 0);
    const arrivals = arriving(longer);
    const random = new Random(3);
    const results = [true, false].map((carries) => {
      const bench = new CarryingBench(carries, 'auto');
      bench.run(arrivals, 1_000 + seconds * 1000, () => random.chance(0.003));
      return bench;
    });
    const [carrying, plain] = results as [CarryingBench, CarryingBench];
    expect(carrying.carriedCount).toBeGreaterThan(packets / 3);
    expect(carrying.counters.drops).toEqual(plain.counters.drops);
    const off = carrying.counters.concealedFrames - plain.counters.concealedFrames;
    expect(Math.abs(off)).toBeLessThan(20 * ms);
    expect(carrying.card.underruns).toBe(plain.card.underruns);
  });
});

describe('pauses of 800 ms, where the process is 3 to 10 ms late each time,', () => {
  const goalMs = 20;
  const soundPackets = 200;
  const pausePackets = 80;

  /** All the time but for the pauses. The last packet before each says that it pauses. */
  function withPauses(): PlayerArrival[] {
    let seq = 0;
    return Array.from({ length: packets }, (_, at): PlayerArrival[] => {
      const phase = at % (soundPackets + pausePackets);
      if (phase > soundPackets) return [];
      const mediaTime = at * packetMs * ms;
      const payload = phase === soundPackets ? pausing : undefined;
      const packet = tenMs(seq, { mediaTime, captureTimeUs: undefined });
      seq += 1;
      return [
        { atMs: 1_000 + (at + 1) * packetMs, packet: { ...packet, ...(payload && { payload }) } },
      ];
    }).flat();
  }

  function played(carries: boolean, seed: number): CarryingBench {
    const random = new Random(seed);
    const bench = new CarryingBench(carries, goalMs, () => 3 + 7 * random.next());
    bench.run(withPauses(), 1_000 + seconds * 1000);
    expect(bench.counters.drops).toEqual(noDrops());
    expect(bench.card.underruns).toBe(0);
    return bench;
  }

  /** Lengths of the silences behind the start's, in milliseconds. */
  function gapsMs({ card: { heard } }: CarryingBench): number[] {
    const gaps: number[] = [];
    for (let from = heard.indexOf(silence, goalMs * ms); from >= 0; ) {
      const length = heard.subarray(from).findIndex((sample) => sample !== silence);
      gaps.push(length / ms);
      from = length < 0 ? -1 : heard.indexOf(silence, from + length);
    }
    return gaps;
  }

  const seeds = [1, 2, 3, 4, 5, 6, 7, 8];

  test.each(seeds)('are comfort noise without a gap (seed %i)', (seed) => {
    const bench = played(true, seed);
    expect(bench.concealedCount).toBeGreaterThan(6 * (780 / 5));
    expect(gapsMs(bench)).toEqual([]);
  });

  test.each(seeds)('are no underrun without a fast path, and it goes on (seed %i)', (seed) => {
    const gaps = gapsMs(played(false, seed));
    expect(gaps.length).toBeGreaterThan(10);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(10);
    expect(Math.min(...gaps)).toBeGreaterThan(0);
  });
});

describe.each(['packets', 'made-up sound'])('%s that a fast path has given out', (what) => {
  test('were heard: a backlog behind them is none of a start, which is thrown away', () => {
    const frameMs = 20;
    // With less of a margin what the player gives out itself would do.
    const bench = new PlayerBench(undefined, 100);
    const arrivals = stream(20, frameMs);
    const carriedPackets = arrivals.slice(3, 8);
    bench.run(arrivals.slice(0, 3), carriedPackets[0]!.atMs);
    const give = (frames: number, packet?: AudioPacket): void => {
      const { nowUs } = bench.card;
      const slot = bench.card.acquire()!;
      slot.offsetFrames = 0;
      slot.frames = frames;
      const { queuedFrames, ringFrames, beyondFrames } = bench.card.playout();
      bench.card.commit(slot);
      const carried: CarriedPacket = {
        ...{ arrivalUs: nowUs, startUs: nowUs, endUs: nowUs, seenUs: nowUs },
        ...{ concealed: !packet, seq: 0, mediaTime: 0, captureTimeUs: undefined, frames },
        ...{ payloadBytes: 0, queuedFrames, ringFrames, beyondFrames },
        ...{ playedFrames: 0, committedFrames: frames },
      };
      if (packet) bench.player.noteCarried(receivedPacket(packet), carried);
      else bench.player.noteConcealed(carried);
    };
    for (const { atMs, packet } of carriedPackets) {
      bench.run([], atMs);
      if (what === 'packets') give(frameMs * ms, packet);
      else for (let gaveMs = 0; gaveMs < frameMs; gaveMs += 5) give(5 * ms);
    }
    bench.run([], arrivals[8]!.atMs);
    for (const { packet } of arrivals.slice(8)) {
      bench.player.onPacket(receivedPacket(packet), bench.card.nowUs);
    }
    expect(bench.counters.trimmedFrames).toBe(0);
    expect(bench.player.queuedMs(bench.card.nowUs)).toBeGreaterThan(frameMs * (20 - 8));
    expect(bench.drops).toBe(0);
  });
});
