import { mediaRate, noDrops } from '@kvm-audio/protocol';
import {
  clockSize,
  lookaheadSamples,
  PlayerBench,
  packetOf,
  stream,
  targetMs,
  unchanged,
} from '../../../test/helpers/PlayerBench.js';
import { Random } from '../../../test/helpers/random.js';
import { receivedPacket } from '../../../test/helpers/receivedPacket.js';

const ms = mediaRate / 1000;

describe('a steady stream', () => {
  test.each([2.5, 5, 10, 20])('of %f ms frames is heard whole, nothing made up', (frameMs) => {
    const bench = new PlayerBench();
    bench.run(stream(3_000 / frameMs, frameMs), 1_000 + 3_000);
    expect(bench.counters).toEqual(unchanged);
    expect(bench.card.underruns).toBe(0);
    expect(bench.delays(0, 3_000)).toHaveLength(1);
    expect(bench.count('made up')).toBe(0);
    expect(bench.count('silence')).toBe(targetMs * ms);
    bench.assertAllHome();
  });

  test('is heard after its frame, the target and the look-ahead: that is its latency', () => {
    const bench = new PlayerBench();
    bench.run(stream(100, 20), 2_900);
    const { p50Ms } = bench.latency.endToEnd(bench.nowMs);
    expect(p50Ms).toBeGreaterThanOrEqual(20 + targetMs + lookaheadSamples / ms - 0.5);
    expect(p50Ms).toBeLessThanOrEqual(20 + targetMs + lookaheadSamples / ms + 0.5);
  });

  test('with jitter under the margin is heard whole, nothing made up', () => {
    const bench = new PlayerBench();
    const random = new Random(3);
    const arrivals = stream(200, 20, (seq) => (seq === 0 ? 0 : random.next() * 5));
    bench.run(arrivals, 5_000);
    expect(bench.counters).toEqual(unchanged);
    expect(bench.delays(0, 4_000)).toHaveLength(1);
    bench.assertAllHome();
  });

  test('that comes in bursts is heard whole, nothing made up', () => {
    const bench = new PlayerBench();
    bench.run(
      stream(300, 10, (seq) => (2 - (seq % 3)) * 10),
      4_000,
    );
    expect(bench.counters).toEqual(unchanged);
    expect(bench.delays(0, 3_000)).toHaveLength(1);
  });

  test('with packets out of order is heard in order', () => {
    const bench = new PlayerBench();
    bench.run(
      stream(200, 5, (seq) => (seq % 10 === 5 ? 5.5 : 0)).sort((a, b) => a.atMs - b.atMs),
      2_000,
    );
    expect(bench.counters.drops).toEqual(noDrops());
    expect(bench.counters.concealedFrames).toBe(0);
    expect(bench.delays(0, 1_000)).toHaveLength(1);
  });
});

describe('another target', () => {
  /** Plays seconds of a stream, of which each is measured alone. */
  function playOn(delayMs?: (seq: number) => number) {
    const bench = new PlayerBench();
    const arrivals = stream(600, 20, delayMs);
    let next = 0;
    const run = (packets: number): number => {
      const { totalCount, totalMs } = bench.latency.endToEnd(bench.nowMs);
      const end = next + packets;
      bench.run(arrivals.slice(next, end), 1_015 + 20 * end);
      next = end;
      const now = bench.latency.endToEnd(bench.nowMs);
      return (now.totalMs - totalMs) / (now.totalCount - totalCount);
    };
    return { bench, run };
  }

  test.each([16, 30, 60])('that is higher makes sound later by the difference: %d ms', (target) => {
    const { bench, run } = playOn();
    run(150);
    const before = run(50);
    bench.player.setTarget(target);
    run(100);
    expect(Math.abs(run(50) - before - (target - targetMs))).toBeLessThan(5);
    expect(bench.counters.concealedFrames).toBe(0);
    expect(bench.card.underruns).toBe(0);
  });

  test('that is lower makes it sooner by the difference', () => {
    const { bench, run } = playOn();
    run(150);
    const before = run(50);
    bench.player.setTarget(60);
    run(150);
    bench.player.setTarget(targetMs);
    run(100);
    expect(Math.abs(run(50) - before)).toBeLessThan(5);
    expect(bench.counters.concealedFrames).toBe(0);
    expect(bench.card.underruns).toBe(0);
  });

  test('that is far lower cuts what is unplayed, and loses nothing besides', () => {
    const bench = new PlayerBench(undefined, 300);
    bench.jitter.resize(3, { goalFrames: 0 });
    const arrivals = stream(600, 20);
    bench.run(arrivals.slice(0, 200), 5_015);
    bench.player.setTarget(targetMs);
    bench.run(arrivals.slice(200), 13_015);
    expect(bench.drops).toBe(0);
    expect(bench.counters.concealedFrames).toBe(0);
    expect(Math.abs(bench.counters.trimmedFrames / ms - 290)).toBeLessThan(5);
    expect(bench.card.underruns).toBe(0);
    expect(bench.marginOffMs(9_000)).toBeLessThan(5);
  });

  test('is not waited for where a backlog is skipped', () => {
    // From the 150th packet on they come 40 ms sooner, so that so much more waits.
    const { bench, run } = playOn((seq) => (seq < 150 ? 40 : 0));
    run(155);
    const late = run(10);
    expect(bench.player.skipBacklog(bench.card.nowUs)).toBeGreaterThan(20 * ms);
    run(10);
    expect(late - run(10)).toBeGreaterThan(25);
    expect(bench.player.skipBacklog(bench.card.nowUs)).toBeLessThan(20 * ms);
    expect(bench.card.underruns).toBe(0);
  });
});

describe('a bad packet', () => {
  test('that does not decode is made up and counted', () => {
    const bench = new PlayerBench();
    const arrivals = stream(20, 20);
    bench.run(arrivals.slice(0, 10), 1_215);
    bench.decoder.broken = true;
    bench.run(arrivals.slice(10, 11), 1_235);
    bench.decoder.broken = false;
    bench.run(arrivals.slice(11), 1_400);
    expect(bench.counters.drops).toEqual({ ...noDrops(), decode_error: 1 });
    expect(bench.count('made up')).toBe(20 * ms);
    expect(bench.delays(0, 390)).toHaveLength(1);
  });

  test.each([
    ['no Opus packet', [0xff, 0x00]],
    ['longer than 120 ms', [0xfb, 0x07]],
    ['longer than the longest frame of the protocol', [0xfb, 0x06]],
  ])('that is %s is dropped and counted', (_, payload) => {
    const bench = new PlayerBench();
    const packet = { ...packetOf(0, 20), payload: Uint8Array.from(payload) };
    expect(() => bench.player.onPacket(receivedPacket(packet), 0)).not.toThrow();
    expect(bench.counters.drops).toEqual({ ...noDrops(), decode_error: 1 });
    expect(bench.card.playout().streaming).toBe(false);
    bench.assertAllHome();
  });
});

test('a copy of each packet, 40 ms later, changes nothing', () => {
  const bench = new PlayerBench();
  const arrivals = stream(400, 20);
  const copies = arrivals.map(({ atMs, packet }) => ({ atMs: atMs + 40, packet }));
  bench.run(
    [...arrivals, ...copies].sort((a, b) => a.atMs - b.atMs),
    8_950,
  );
  const cameCopies = copies.filter(({ atMs }) => atMs < 8_950).length;
  const { insertedFrames, trimmedFrames, concealedFrames } = bench.counters;
  expect([insertedFrames, trimmedFrames, concealedFrames]).toEqual([0, 0, 0]);
  expect(bench.counters.drops).toEqual({ ...noDrops(), duplicate_packet: cameCopies });
  expect(bench.delays(0, 7_900)).toHaveLength(1);
});

describe('an addition', () => {
  test('makes no click', () => {
    const bench = new PlayerBench();
    const amplitude = 10_000;
    bench.decoder.real = (time) =>
      Math.round(amplitude * Math.cos((2 * Math.PI * 440 * time) / mediaRate));
    // More than the pace makes good.
    bench.card.skewPpm = 4_000;
    bench.run(stream(1_000, 20), 20_950);
    expect(bench.counters.insertedFrames).toBeGreaterThan(10 * ms);
    expect(bench.counters.concealedFrames).toBe(0);
    const heard = bench.card.heard.subarray(targetMs * ms, 19_900 * ms);
    const steps = heard.subarray(1).map((sample, i) => Math.abs(sample - (heard[i] ?? 0)));
    const ofTheTone = (amplitude * 2 * Math.PI * 440) / mediaRate;
    expect(steps.reduce((most, step) => Math.max(most, step), 0)).toBeLessThan(1.1 * ofTheTone);
  });
});

describe('a burst that is longer than the ring', () => {
  test('waits as packets and is not dropped', () => {
    const bench = new PlayerBench();
    const count = 40;
    bench.run(
      stream(count, 2.5, (seq) => Math.max(0, (24 - seq) * 2.5)),
      1_100,
    );
    expect(bench.drops).toBe(0);
    expect(bench.counters.concealedFrames).toBe(0);
    bench.assertAllHome();
  });
});

describe('a burst that is longer than the jitter buffer', () => {
  test.each([
    // 10 ms are unplayed, as in each packet's way; 70 ms are reached with four packets.
    [4, 40 - 4 - 4],
    [10, 40 - 4 - 10],
    [20, 40 - 4 - 20],
  ])('of %i packets loses %i of 40', (packets, lost) => {
    const bench = new PlayerBench();
    bench.jitter.resize(packets, { goalFrames: targetMs * ms });
    const arrivals = stream(90, 20);
    bench.run(arrivals.slice(0, 50), 2_021);
    for (const { packet } of arrivals.slice(50)) {
      bench.player.onPacket(receivedPacket(packet), bench.card.nowUs);
    }
    expect(bench.counters.drops.jitter_overflow).toBe(lost);
    expect(bench.jitter.queuedFrames).toBe(packets * 20 * ms);
    bench.player.rest();
    bench.pool.assertAllHome();
  });
});

describe('a way that becomes longer behind the wrap of seq', () => {
  test('is followed, as in front of it', () => {
    const bench = new PlayerBench();
    const arrivals = stream(300, 20, (seq) => (seq < 100 ? 0 : 12)).map(({ atMs, packet }) => {
      const seq = (packet.seq + 2 ** 32 - 50) >>> 0;
      return { atMs, packet: { ...packet, seq } };
    });
    bench.run(arrivals, 1_000 + 300 * 20);
    expect(bench.counters.concealedFrames).toBeLessThan(100 * ms);
    expect(bench.marginOffMs(4_000)).toBeLessThan(6);
  });
});

describe('a device that takes nothing', () => {
  test('bounds what waits: the oldest packets go, and all slots come home', () => {
    const bench = new PlayerBench();
    for (const { packet } of stream(100, 20)) bench.player.onPacket(receivedPacket(packet), 0);
    expect(bench.jitter.queuedFrames).toBeLessThanOrEqual(200 * ms);
    expect(bench.counters.trimmedFrames).toBeGreaterThan(0);
    bench.player.rest();
    bench.pool.assertAllHome();
  });
});

describe('the latency that is told', () => {
  /** Of the clock's samples some are far from its wrap, where a resampler rings. */
  const calm = { from: 4_000, to: 12_000 };

  test.each([0, 300])('is what is heard, with a card that is off by %i ppm', (skewPpm) => {
    const bench = new PlayerBench();
    bench.card.skewPpm = skewPpm;
    bench.run(stream(1_000, 20), 20_950);
    expect(bench.player.correctedBy).toBe(skewPpm === 0 ? null : 'resampler');
    const { heard } = bench.card;
    const at = heard.findLastIndex((sample) => sample > calm.from && sample < calm.to);
    const playedMs = bench.nowMs - (heard.length - at) / ms;
    // Captured when its number says, but for whole rounds of the clock.
    const roundMs = clockSize / ms;
    const sinceMs = (playedMs - 1_000 - heard[at]! / ms) % roundMs;
    const { p50Ms } = bench.latency.endToEnd(bench.nowMs);
    const toldMs = p50Ms - lookaheadSamples / ms;
    expect(Math.abs(toldMs - sinceMs)).toBeLessThan(0.2);
  });
});
