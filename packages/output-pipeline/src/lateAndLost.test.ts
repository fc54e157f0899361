import { mediaRate } from '@kvm-audio/protocol';
import { PlayerBench, stream, targetMs, unchanged } from '../../../test/helpers/PlayerBench.js';
import { Random } from '../../../test/helpers/random.js';
import { fadeFrames } from './Splicer.js';

const ms = mediaRate / 1000;

describe('a lost packet', () => {
  test('is made up to the sample, once', () => {
    const bench = new PlayerBench();
    const arrivals = stream(150, 20).filter(({ packet }) => packet.seq !== 50);
    bench.run(arrivals, 3_900);
    expect(bench.counters.concealedFrames).toBe(20 * ms);
    expect(bench.count('made up')).toBe(20 * ms);
    expect(bench.drops).toBe(0);
    expect(bench.delays(0, 2_900)).toHaveLength(1);
    bench.assertAllHome();
  });

  test('in front of a corrupt one is made up all the same', () => {
    const bench = new PlayerBench();
    const arrivals = stream(20, 20).filter(({ packet }) => packet.seq !== 10);
    bench.run(arrivals.slice(0, 10), 1_215);
    bench.decoder.broken = true;
    expect(() => bench.run(arrivals.slice(10, 11), 1_250)).not.toThrow();
    bench.decoder.broken = false;
    bench.run(arrivals.slice(11), 1_450);
    expect(bench.delays(0, 400)).toHaveLength(1);
    expect(bench.counters.drops.decode_error).toBeGreaterThan(0);
    bench.assertAllHome();
  });
});

describe('a stall of 50 ms', () => {
  test('of the source is made up, and then the delay is what it was', () => {
    const bench = new PlayerBench();
    const late = (seq: number): number => Math.max(0, 50 - ((seq - 50) % 50) * 20);
    bench.run(
      stream(150, 20, (seq) => (seq >= 50 && seq < 53 ? late(seq) : 0)),
      3_950,
    );
    expect(bench.counters.concealedFrames).toBeGreaterThan(20 * ms);
    expect(bench.counters.concealedFrames).toBeLessThan(60 * ms);
    expect(bench.delays(0, 2_900)).toHaveLength(1);
    bench.assertAllHome();
  });

  test('of the event loop is silence of the card, and then the delay is what it was', () => {
    const bench = new PlayerBench();
    const arrivals = stream(150, 20);
    const first = arrivals.filter(({ atMs }) => atMs <= 2_015);
    bench.run(first, 2_015);
    bench.stalled = true;
    bench.run([], 2_065);
    bench.stalled = false;
    bench.run(arrivals.slice(first.length), 3_950);
    expect(bench.card.underruns).toBe(1);
    expect(bench.count('silence')).toBeGreaterThan(targetMs * ms + 15 * ms);
    expect(bench.delays(0, 2_900)).toHaveLength(1);
    bench.assertAllHome();
  });

  test('with packets waiting behind a loss is not played late', () => {
    const bench = new PlayerBench();
    const arrivals = stream(150, 20).filter(({ packet }) => packet.seq !== 50);
    const first = arrivals.filter(({ atMs }) => atMs <= 2_041);
    bench.run(first, 2_041);
    bench.stalled = true;
    bench.run([], 2_091);
    bench.stalled = false;
    bench.run(arrivals.slice(first.length), 3_950);
    expect(bench.delays(0, 2_900)).toHaveLength(1);
    bench.assertAllHome();
  });

  test('of any length adds no delay', () => {
    const random = new Random(11);
    const bench = new PlayerBench();
    let until = 0;
    const arrivals = stream(500, 20, (seq) => {
      const sent = (seq + 1) * 20;
      if (seq > 10 && random.chance(0.02)) until = sent + random.integer(10, 190);
      return Math.max(0, until - sent);
    });
    bench.run(arrivals, 10_950);
    expect(bench.counters.concealedFrames).toBeGreaterThan(0);
    const delays = bench.delays(0, 9_900);
    expect(Math.max(...delays)).toBe(delays[0]);
    bench.assertAllHome();
  });
});

describe('a margin that changes for good', () => {
  const concealedMs = (bench: PlayerBench): number => bench.counters.concealedFrames / ms;
  const insertedMs = (bench: PlayerBench): number => bench.counters.insertedFrames / ms;

  test.each([300, -300, 100])(
    'by a card that is off by %i ppm is followed by the pace: nothing is put in or cut out',
    (ppm) => {
      const minutes = 4;
      const bench = new PlayerBench((minutes * 60 + 5) * mediaRate);
      bench.card.skewPpm = ppm;
      bench.run(stream(minutes * 3_000, 20), minutes * 60_000 + 950);
      expect(bench.counters).toEqual(unchanged);
      expect(bench.card.underruns).toBe(0);
      expect(bench.marginOffMs(0)).toBeLessThan(3);
      // The resampler holds two thirds of a millisecond of it.
      expect(bench.marginOffMs(30_000)).toBeLessThan(1);
      expect(Math.abs((bench.player.margin.driftPpm ?? Number.NaN) + ppm)).toBeLessThan(5);
      expect(Math.abs(bench.player.margin.correctionPpm + ppm)).toBeLessThan(20);
      expect(bench.player.correctedBy).toBe('resampler');
      bench.assertAllHome();
    },
  );

  test.each([300, -300])(
    'by a card that is off by %i ppm is left to its pitch control: no sample is changed',
    (ppm) => {
      const seconds = 60;
      const bench = new PlayerBench((seconds + 5) * mediaRate);
      bench.card.skewPpm = ppm;
      bench.card.pitchPpmMax = 5_000;
      bench.run(stream(seconds * 50, 20), seconds * 1_000 + 950);
      expect(bench.player.correctedBy).toBe('pitch');
      expect(bench.card.pitchPpm).toBe(bench.player.margin.correctionPpm);
      expect(Math.abs(bench.card.pitchPpm + ppm)).toBeLessThan(100);
      expect(bench.counters).toEqual(unchanged);
      expect(bench.card.underruns).toBe(0);
      expect(bench.marginOffMs(0)).toBeLessThan(3);
      expect(bench.marginOffMs(40_000)).toBeLessThan(1);
      expect(bench.delays(1_100, seconds * 1_000)).toHaveLength(1);
      bench.player.rest();
      expect(bench.card.pitchPpm).toBe(0);
      expect(bench.player.correctedBy).toBeNull();
    },
  );

  test('by a way that has become shorter is no drift: the pace is soon its own again', () => {
    const bench = new PlayerBench(75 * mediaRate);
    const arrivals = stream(3_500, 20, (seq) => (seq < 150 ? 8 : 0));
    bench.runOn(arrivals, 8_000);
    expect(bench.player.correctedBy).toBe('resampler');
    bench.runOn(arrivals, 70_000);
    expect(Math.abs(bench.player.margin.driftPpm ?? Number.NaN)).toBeLessThan(1);
    expect(bench.player.correctedBy).toBeNull();
    expect(bench.marginOffMs(40_000)).toBeLessThan(1);
    expect(bench.counters).toEqual(unchanged);
  });

  test('by a card whose pitch control can do a part of it only is followed by both', () => {
    const bench = new PlayerBench(65 * mediaRate);
    bench.card.skewPpm = -300;
    bench.card.pitchPpmMax = 100;
    bench.run(stream(3_000, 20), 60_950);
    expect(bench.player.correctedBy).toBe('resampler');
    expect(bench.card.pitchPpm).toBe(100);
    expect(Math.abs(bench.player.margin.correctionPpm - 300)).toBeLessThan(100);
    expect(bench.counters).toEqual(unchanged);
    expect(bench.marginOffMs(40_000)).toBeLessThan(1);
  });

  test('by a card whose pitch control comes to refuse goes on by the resampler, and back', () => {
    const bench = new PlayerBench(95 * mediaRate);
    bench.card.skewPpm = -300;
    bench.card.pitchPpmMax = 5_000;
    const arrivals = stream(4_500, 20);
    bench.runOn(arrivals, 40_000);
    expect(bench.player.correctedBy).toBe('pitch');
    bench.card.pitchRefuses = true;
    bench.runOn(arrivals, 60_000);
    expect(bench.player.correctedBy).toBe('resampler');
    expect(bench.card.pitchPpm).toBe(0);
    bench.card.pitchRefuses = false;
    bench.runOn(arrivals, 80_000);
    expect(bench.player.correctedBy).toBe('pitch');
    expect(bench.counters).toEqual(unchanged);
    expect(bench.card.underruns).toBe(0);
    expect(bench.marginOffMs(30_000)).toBeLessThan(1);
  });

  test('by a card that is off by 300 ppm, with jitter, makes up less than a thousandth', () => {
    const random = new Random(5);
    const bench = new PlayerBench(125 * mediaRate);
    bench.card.skewPpm = 300;
    bench.run(
      stream(6_000, 20, () => random.next() * 4),
      120_950,
    );
    expect(concealedMs(bench)).toBeLessThan(120);
    expect(bench.drops).toBe(0);
  });

  test.each([5, 10, 20])(
    'by a source that is 12 ms later from now on is followed once (%f ms frames)',
    (frameMs) => {
      const bench = new PlayerBench();
      const before = 1_000 / frameMs;
      const arrivals = stream(10_000 / frameMs, frameMs, (seq) => (seq >= before ? 12 : 0));
      bench.run(arrivals, 2_200);
      const { concealedFrames, insertedFrames } = bench.counters;
      expect(insertedFrames / ms).toBeGreaterThanOrEqual(10);
      expect(insertedFrames / ms).toBeLessThanOrEqual(17);
      bench.runOn(arrivals, 10_950);
      expect(bench.counters).toMatchObject({ concealedFrames, insertedFrames, trimmedFrames: 0 });
      expect(bench.delays(1_400, 9_900)).toHaveLength(1);
      bench.assertAllHome();
    },
  );

  test('by an xrun of the card is made good by it: the stream is as late as before', () => {
    const bench = new PlayerBench();
    const arrivals = stream(200, 20);
    bench.run(arrivals, 2_005);
    const [delay] = bench.delays(0, 900);
    bench.card.xrun();
    bench.runOn(arrivals, 4_950);
    expect(bench.counters).toEqual(unchanged);
    expect(bench.delays(1_100, 3_900)).toEqual([delay]);
  });

  test('by a source that is late again and again is followed, and kept', () => {
    const bench = new PlayerBench(undefined, 'auto');
    bench.run(
      stream(500, 20, (seq) => (seq % 7 === 3 ? 18 : 0)),
      10_950,
    );
    expect(insertedMs(bench)).toBeGreaterThan(8);
    expect(insertedMs(bench)).toBeLessThan(25);
    expect(concealedMs(bench)).toBeLessThan(100);
    expect(bench.delays(2_500, 9_900)).toHaveLength(1);
  });
});

describe('a single late packet', () => {
  test.each([8, 12, 19])('by %i ms is made up for and not followed', (lateMs) => {
    const bench = new PlayerBench();
    bench.run(
      stream(1_000, 20, (seq) => (seq % 120 === 60 ? lateMs : 0)),
      20_950,
    );
    expect(bench.counters.insertedFrames).toBe(0);
    expect(bench.counters.trimmedFrames).toBe(0);
    expect(bench.delays(0, 19_900)).toHaveLength(1);
  });
});

describe('a card that stands still', () => {
  test.each([100, 250, 1_000, 5_000])('for %i ms adds no delay', (standstillMs) => {
    const bench = new PlayerBench();
    const arrivals = stream(750, 20);
    bench.run(arrivals, 2_005);
    const before = bench.card.queuedFrames();
    bench.card.idle = true;
    bench.runOn(arrivals, 2_005 + standstillMs);
    bench.card.idle = false;
    const settledMs = 2_005 + 20 * Math.ceil((standstillMs + 3_000) / 20);
    bench.runOn(arrivals, settledMs);
    expect(Math.abs(bench.card.queuedFrames() - before) / ms).toBeLessThan(8);
    expect(bench.counters.insertedFrames).toBe(0);
    bench.player.rest();
    bench.assertAllHome();
  });

  test('plays nothing of what waited for it when it moves', () => {
    const bench = new PlayerBench();
    const numberOf = (time: number): number => Math.floor(time / (20 * ms));
    bench.decoder.real = numberOf;
    const arrivals = stream(200, 20);
    bench.run(arrivals, 2_005);
    bench.card.idle = true;
    bench.runOn(arrivals, 3_005);
    const played = bench.card.heard.length;
    bench.card.idle = false;
    const later = arrivals.filter(({ atMs }) => atMs > 3_005);
    bench.run(later, 3_505);
    const heard = bench.card.heard.subarray(played).filter((sample) => sample > 0);
    expect(heard.length).toBeGreaterThan(300 * ms);
    // It is faded in.
    expect(heard[fadeFrames]).toBe(numberOf(later[0]!.packet.mediaTime));
    expect(heard.findIndex((sample, i) => sample < heard[i - 1]!)).toBe(-1);
    expect(bench.card.underruns).toBe(0);
  });

  test('has no latency for what was never heard', () => {
    const bench = new PlayerBench();
    const arrivals = stream(200, 20);
    bench.run(arrivals, 2_005);
    const before = bench.latency.endToEnd(bench.nowMs);
    bench.card.idle = true;
    bench.runOn(arrivals, 3_005);
    bench.card.idle = false;
    bench.runOn(arrivals, 4_005);
    const after = bench.latency.endToEnd(bench.nowMs);
    expect(after.count).toBeGreaterThan(before.count + 40);
    expect(after.maxMs).toBeLessThan(before.maxMs + 5);
  });

  test('begins without a click when it moves, in the middle of a sound', () => {
    const bench = new PlayerBench();
    bench.decoder.real = () => 8_000;
    const arrivals = stream(200, 20);
    bench.run(arrivals, 2_005);
    bench.card.idle = true;
    bench.runOn(arrivals, 3_505);
    const played = bench.card.heard.length;
    bench.card.idle = false;
    bench.runOn(arrivals, 4_500);
    const heard = bench.card.heard.slice(played).filter((sample) => sample >= 0);
    expect(heard.length).toBeGreaterThan(500 * ms);
    const steps = heard.map((sample, i) => Math.abs(sample - (heard[i - 1] ?? 0)));
    expect(Math.max(...steps.slice(0, 500 * ms))).toBeLessThan(100);
  });

  test('from before the start on says so too, whatever is given to it, and plays at once', () => {
    const bench = new PlayerBench();
    bench.card.idle = true;
    const arrivals = stream(500, 20);
    bench.run(arrivals.slice(0, 400), 9_000);
    expect(bench.player.card.standstillMs(bench.card.nowUs)).toBeGreaterThan(7_000);
    const { drops, trimmedFrames } = bench.counters;
    expect(drops.card_standstill).toBeGreaterThan(350);
    expect(bench.drops).toBe(drops.card_standstill);
    expect(trimmedFrames).toBeLessThan(300 * ms);
    bench.card.idle = false;
    bench.run(arrivals.slice(400), 11_000);
    expect(bench.player.card.standstillMs(bench.card.nowUs)).toBe(0);
    expect(bench.counters.drops.card_standstill - drops.card_standstill).toBeLessThan(5);
  });

  test('for long drops what comes, counted, and says for how long', () => {
    const bench = new PlayerBench();
    const arrivals = stream(150, 20);
    bench.run(arrivals, 2_005);
    expect(bench.player.card.standstillMs(bench.card.nowUs)).toBeLessThan(1);
    bench.card.idle = true;
    bench.runOn(arrivals, 4_000);
    expect(bench.player.card.standstillMs(bench.card.nowUs)).toBeCloseTo(1_995, -1);
    const { drops } = bench.counters;
    expect(drops.card_standstill).toBeGreaterThan(80);
    expect(bench.drops - drops.jitter_overflow).toBe(drops.card_standstill);
    bench.assertAllHome();
  });

  test('for long counts the sound that nobody heard, also what waited for it', () => {
    const bench = new PlayerBench();
    const arrivals = stream(150, 20);
    bench.run(arrivals, 2_005);
    expect(bench.counters.unheardFrames).toBe(0);
    bench.card.idle = true;
    bench.runOn(arrivals, 3_505);
    bench.card.idle = false;
    bench.runOn(arrivals, 3_990);
    const { drops, unheardFrames } = bench.counters;
    const goneMs = unheardFrames / ms + 20 * drops.jitter_overflow;
    expect(Math.abs(goneMs - 1_500)).toBeLessThan(60);
    bench.player.rest();
    bench.assertAllHome();
  });
});
