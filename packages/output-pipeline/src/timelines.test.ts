import { mediaRate, noDrops, packetFlags } from '@kvm-audio/protocol';
import {
  type PlayerArrival,
  PlayerBench,
  packetOf,
  stream,
  targetMs,
  unchanged,
} from '../../../test/helpers/PlayerBench.js';
import { silence } from '../../../test/helpers/SimulatedCard.js';

const ms = mediaRate / 1000;
/** What was heard last is mirrored for so long, and fades. */
const fadeOutMs = 2.5;
/** The most that is put in to get a margin back that is off by a step of concealment. */
const spliceMs = 10;

test('a source that says that it pauses, and sends nothing more, is no underrun', () => {
  const bench = new PlayerBench();
  const arrivals = stream(50, 20);
  const last = arrivals.at(-1);
  if (last) last.packet.flags = packetFlags.dtx;
  const stop = jest.spyOn(bench.card, 'stop');
  bench.run(arrivals, 5_000);
  expect(bench.card.underruns).toBe(0);
  expect(bench.counters.concealedFrames).toBe(0);
  bench.run(
    stream(50, 20).map(({ packet }, i) => ({
      atMs: 5_000 + 20 * i,
      packet: { ...packet, seq: 50 + i, mediaTime: (200 + i) * 20 * ms },
    })),
    5_990,
  );
  expect(bench.card.underruns).toBe(0);
  expect(bench.drops).toBe(0);
  // The card has stopped by itself, and did not stand still: what goes on is not thrown away.
  expect(stop).not.toHaveBeenCalled();
});

test('an encoder that starts anew meets a decoder that does, and no other packet does', () => {
  const bench = new PlayerBench();
  const arrivals = stream(100, 20);
  const anew = arrivals[60];
  if (anew) anew.packet.flags = packetFlags.discontinuity;
  const happened: (string | number)[] = [];
  const decode = bench.decoder.decode.bind(bench.decoder);
  jest.spyOn(bench.decoder, 'decode').mockImplementation((packet, out) => {
    happened.push(Buffer.from(packet).readDoubleBE(1) / (20 * ms));
    return decode(packet, out);
  });
  bench.run(arrivals.slice(0, 50), 2_005);
  jest.spyOn(bench.decoder, 'reset').mockImplementation(() => happened.push('reset'));
  bench.run(arrivals.slice(50), 3_000);
  expect(happened.slice(55, 65)).toEqual([55, 56, 57, 58, 59, 'reset', 60, 61, 62, 63]);
  expect(happened.filter((what) => what === 'reset')).toHaveLength(1);
});

test('a decoder goes on behind a rest of the same encoder, and begins anew for the next one', () => {
  const bench = new PlayerBench();
  const reset = jest.spyOn(bench.decoder, 'reset');
  bench.run(stream(50, 20), 2_500);
  bench.player.rest();
  expect(reset).not.toHaveBeenCalled();
  bench.player.end(bench.card.nowUs);
  expect(reset).toHaveBeenCalledTimes(1);
});

describe('a start with a backlog', () => {
  const backlog = stream(500, 20, (seq) => Math.max(0, 100 - (seq + 1) * 20));

  test('of which nothing was heard begins with the newest, what is left out is counted', () => {
    const bench = new PlayerBench();
    bench.run(backlog, 10_950);
    expect(bench.counters.concealedFrames).toBe(0);
    expect(bench.drops).toBe(0);
    expect(bench.counters.trimmedFrames).toBe(80 * ms);
    expect(bench.delays(0, 9_800)).toHaveLength(1);
    bench.assertAllHome();
  });

  test('is cut without a click', () => {
    const bench = new PlayerBench();
    // Half a period is 10 ms, a whole cut: side by side the pieces would be a full swing apart.
    const amplitude = 10_000;
    bench.decoder.real = (time) =>
      Math.round(amplitude * Math.cos((2 * Math.PI * 50 * time) / mediaRate));
    bench.run(backlog, 4_000);
    expect(bench.counters.trimmedFrames).toBeGreaterThan(40 * ms);
    const heard = bench.card.heard.subarray(targetMs * ms, 2_900 * ms);
    const steps = heard.subarray(1).map((sample, i) => Math.abs(sample - (heard[i] ?? 0)));
    const ofTheTone = (amplitude * 2 * Math.PI * 50) / mediaRate;
    const ofTheBlend = (2 * amplitude) / (5 * ms);
    expect(steps.reduce((most, step) => Math.max(most, step), 0)).toBeLessThan(
      ofTheTone + ofTheBlend + 2,
    );
  });
});

describe('the end of a source', () => {
  test.each([2.5, 20])('plays everything out (%f ms frames)', (frameMs) => {
    const bench = new PlayerBench();
    const count = 200 / frameMs;
    bench.run(stream(count, frameMs), 1_201);
    bench.player.end(bench.card.nowUs);
    bench.run([], 1_300);
    expect(bench.count('real')).toBe((200 + fadeOutMs) * ms);
    expect(bench.count('made up')).toBe(0);
    expect(bench.card.underruns).toBe(0);
    expect(bench.card.playout().streaming).toBe(false);
    bench.assertAllHome();
  });

  test('fades, whatever its last sample is', () => {
    const bench = new PlayerBench();
    bench.decoder.real = () => 10_000;
    bench.run(stream(10, 20), 1_205);
    bench.player.end(bench.card.nowUs);
    bench.run([], 1_300);
    const sound = bench.card.heard.filter((sample) => sample !== silence);
    expect(sound.at(-1)).toBeLessThan(100);
    expect(sound.at(-1 - fadeOutMs * ms)).toBe(10_000);
  });

  test('with a loss in front of the last packet plays that packet too', () => {
    const bench = new PlayerBench();
    const arrivals = stream(5, 20).filter(({ packet }) => packet.seq !== 3);
    bench.run(arrivals, 1_101);
    bench.player.end(bench.card.nowUs);
    bench.run([], 1_300);
    expect(bench.count('real')).toBe((80 + fadeOutMs) * ms);
    expect(bench.count('made up')).toBe(20 * ms);
    bench.assertAllHome();
  });

  test('leaves no false latency behind', () => {
    const bench = new PlayerBench();
    const arrivals = stream(5, 20).filter(({ packet }) => packet.seq !== 3);
    bench.run(arrivals, 1_101);
    bench.player.end(bench.card.nowUs);
    const { p50Ms, maxMs } = bench.latency.endToEnd(bench.nowMs);
    expect(p50Ms).toBeGreaterThan(30);
    expect(maxMs).toBeLessThan(60);
  });

  test('is the start of the next one, with its margin', () => {
    const bench = new PlayerBench();
    bench.run(stream(10, 20), 1_201);
    bench.player.end(bench.card.nowUs);
    bench.run([], 1_300);
    const again = stream(10, 20).map(({ atMs, packet }) => ({ atMs: atMs + 400, packet }));
    bench.run(again, 1_590);
    expect(bench.counters.drops).toEqual(noDrops());
    expect(bench.counters.concealedFrames).toBe(0);
    expect(bench.card.underruns).toBe(0);
    bench.assertAllHome();
  });
});

describe('a new timeline in a running stream', () => {
  test.each([-500, 500])('that begins %i ms off says nothing about the margin', (offMs) => {
    const bench = new PlayerBench();
    const moved = stream(100, 20).map(({ atMs, packet }): PlayerArrival => {
      if (packet.seq < 50) return { atMs, packet };
      const flags = packet.seq === 50 ? packetFlags.discontinuity : 0;
      const mediaTime = packet.mediaTime + offMs * ms;
      return { atMs, packet: { ...packetOf(packet.seq, 20, mediaTime), flags } };
    });
    const before50 = moved[50]!.atMs - 0.5;
    bench.run(moved, before50);
    const leastMs = bench.latency.leastMarginMs(bench.nowMs);
    bench.runOn(moved, 2_990);
    expect(bench.latency.leastMarginMs(bench.nowMs)).toBeCloseTo(leastMs, 0);
    expect(bench.counters).toEqual(unchanged);
    expect(bench.count('made up')).toBe(0);
  });

  test('gets its margin back, and drops nothing', () => {
    const bench = new PlayerBench();
    const lateMs = 8;
    const jumped = stream(100, 20).map(({ atMs, packet }): PlayerArrival => {
      if (packet.seq < 50) return { atMs, packet };
      const moved = packetOf(packet.seq, 20, packet.mediaTime + 500_000);
      return { atMs: atMs + lateMs, packet: { ...moved, flags: packet.seq === 50 ? 1 : 0 } };
    });
    const justBefore60 = (jumped[60]?.atMs ?? 0) - 0.5;
    bench.run(jumped.slice(0, 60), justBefore60);
    expect(bench.card.queuedFrames() / ms).toBeGreaterThan(targetMs - 0.5);
    expect(bench.card.queuedFrames() / ms).toBeLessThan(targetMs + 1.5);
    bench.run(jumped.slice(60), 2_900);
    expect(bench.drops).toBe(0);
    expect(bench.card.underruns).toBe(0);
    expect(bench.delays(0, 950)).toHaveLength(1);
    expect(bench.delays(1_100, 1_850)).toHaveLength(1);
  });

  test('behind a silence of the card lets nothing of before be heard again, and fades in', () => {
    const bench = new PlayerBench();
    bench.decoder.real = () => 10_000;
    const arrivals = stream(100, 20)
      .filter(({ packet: { seq } }) => seq < 50 || seq >= 70)
      .map(({ atMs, packet }) => ({
        atMs,
        packet: { ...packet, flags: packet.seq === 70 ? packetFlags.discontinuity : 0 },
      }));
    bench.run(arrivals, 2_900);
    expect(bench.card.underruns).toBe(1);
    const { heard } = bench.card;
    const behind = heard.subarray(heard.lastIndexOf(silence) + 1);
    expect(behind.length).toBeGreaterThan(400 * ms);
    // Silence, and rising sound.
    expect(behind[0]).toBe(0);
    expect(behind.every((sample, i) => sample >= (behind[i - 1] ?? 0))).toBe(true);
    expect(behind.at(-1)).toBe(10_000);
  });
});

describe('a timeline that jumps by hours without a word', () => {
  test('is followed both ways, and is no sound that was put in or cut out', () => {
    const bench = new PlayerBench();
    const hours = 5 * 3600 * mediaRate;
    const jumped = stream(150, 20).map(({ atMs, packet }): PlayerArrival => {
      const away = packet.seq >= 50 && packet.seq < 100;
      return { atMs, packet: packetOf(packet.seq, 20, packet.mediaTime + (away ? hours : 0)) };
    });
    bench.run(jumped, 3_900);
    expect(bench.counters.insertedFrames).toBe(0);
    expect(bench.counters.trimmedFrames).toBe(0);
    expect(bench.counters.drops.late_packet).toBeLessThan(10);
    expect(bench.delays(2_300, 2_900)).toHaveLength(1);
    bench.assertAllHome();
  });
});

describe.each([-200, -500, -1_000])('a timeline that steps by %i ms without a word', (stepMs) => {
  /** @param timed whether packets tell when they were captured */
  const stepped = (timed: boolean): PlayerArrival[] =>
    stream(250, 20).map(({ atMs, packet }) => {
      const mediaTime = packet.mediaTime + 5_000 * ms + (packet.seq < 50 ? 0 : stepMs * ms);
      const untimed = timed ? {} : { captureTimeUs: undefined };
      return { atMs, packet: { ...packetOf(packet.seq, 20, mediaTime), ...untimed } };
    });

  test('adds what was made up meanwhile, and a splice at most', () => {
    const bench = new PlayerBench();
    bench.run(stepped(false), 5_900);
    const { concealedFrames, insertedFrames, trimmedFrames } = bench.counters;
    expect(concealedFrames).toBeGreaterThan(0);
    expect(insertedFrames - concealedFrames).toBeLessThan(spliceMs * ms);
    expect(trimmedFrames).toBe(0);
    expect(bench.card.underruns).toBe(0);
    expect(bench.delays(2_300, 5_900)).toHaveLength(1);
    bench.assertAllHome();
  });

  test('is followed at once where the capture time tells that nothing is late', () => {
    const bench = new PlayerBench();
    const reset = jest.spyOn(bench.decoder, 'reset');
    bench.run(stepped(true), 5_900);
    // The encoder has not begun anew.
    expect(reset).not.toHaveBeenCalled();
    const { concealedFrames, insertedFrames, trimmedFrames, drops } = bench.counters;
    expect([concealedFrames, insertedFrames, trimmedFrames]).toEqual([0, 0, 0]);
    expect(drops).toEqual(noDrops());
    expect(bench.card.underruns).toBe(0);
    expect(bench.delays(1_100, 5_900)).toHaveLength(1);
    bench.assertAllHome();
  });
});
