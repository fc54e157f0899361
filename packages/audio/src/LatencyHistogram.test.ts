import { Random } from '../../../test/helpers/random.js';
import { LatencyHistogram } from './LatencyHistogram.js';

function exact(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.ceil(q * sorted.length) - 1] ?? 0;
}

/** Width of the bucket in which a latency is counted. */
function widthMs(ms: number): number {
  if (ms < 64) return 0.25;
  return ms < 576 ? 2 : 32;
}

const spreads: [string, (random: Random) => number][] = [
  ['up to 10 ms', (random) => random.next() * 10],
  ['about 30 ms with a tail', (random) => 28 + random.next() * 4 + 200 * random.next() ** 20],
  ['over three decades', (random) => 10 ** (random.next() * 3.5)],
  ['all equal', () => 36.5],
];

describe('quantiles', () => {
  test.each(spreads)('are never too low and right to a bucket: %s', (_, draw) => {
    const random = new Random(42);
    const values = Array.from({ length: 5_000 }, () => draw(random));
    const histogram = new LatencyHistogram(10_000, 0);
    for (const value of values) histogram.add(value, 1);
    const { count, p50Ms, p95Ms, p99Ms, maxMs } = histogram.summary('capture', 2);
    expect(count).toBe(5_000);
    expect(maxMs).toBe(Math.max(...values));
    for (const [found, q] of [
      [p50Ms, 0.5],
      [p95Ms, 0.95],
      [p99Ms, 0.99],
    ] as const) {
      const wanted = exact(values, q);
      expect(found).toBeGreaterThanOrEqual(wanted);
      expect(found).toBeLessThanOrEqual(wanted + widthMs(wanted));
      expect(found).toBeLessThanOrEqual(maxMs);
    }
  });

  test('of nothing are zero', () => {
    expect(new LatencyHistogram(10_000, 0).summary('arrival', 0)).toEqual({
      count: 0,
      meanMs: 0,
      p50Ms: 0,
      p95Ms: 0,
      p99Ms: 0,
      maxMs: 0,
      jitterMs: 0,
      trendMsPerMinute: 0,
      totalCount: 0,
      totalMs: 0,
      from: 'arrival',
    });
  });

  test('take a latency below zero for zero', () => {
    const histogram = new LatencyHistogram(10_000, 0);
    histogram.add(-5, 0);
    expect(histogram.summary('capture', 0)).toMatchObject({ count: 1, p99Ms: 0, maxMs: 0 });
  });

  test.each([63.99, 64, 575.9, 576, 4_671, 4_672, 1e6])('have a place for %f ms', (ms) => {
    const histogram = new LatencyHistogram(10_000, 0);
    histogram.add(ms, 0);
    const { p50Ms, maxMs, count } = histogram.summary('capture', 0);
    expect(count).toBe(1);
    expect(maxMs).toBe(ms);
    expect(p50Ms).toBe(ms);
  });
});

describe('the window', () => {
  test('forgets what is older than two windows, and keeps what is younger than one', () => {
    const histogram = new LatencyHistogram(1_000, 0);
    histogram.add(100, 500);
    histogram.add(10, 1_500);
    expect(histogram.summary('capture', 1_600)).toMatchObject({ count: 2, maxMs: 100 });
    expect(histogram.summary('capture', 2_600)).toMatchObject({ count: 1, maxMs: 10 });
    expect(histogram.summary('capture', 3_700)).toMatchObject({ count: 0, maxMs: 0 });
  });

  test('that passed without a look leaves nothing of what was before', () => {
    const histogram = new LatencyHistogram(1_000, 0);
    histogram.add(100, 500);
    histogram.add(200, 1_100);
    expect(histogram.summary('capture', 60_000).count).toBe(0);
    histogram.add(5, 60_001);
    expect(histogram.summary('capture', 60_002)).toMatchObject({ count: 1, maxMs: 5, p99Ms: 5 });
  });

  test('holds at any time all of the last window, and nothing older than two', () => {
    const random = new Random(5);
    const histogram = new LatencyHistogram(1_000, 0);
    const added: number[] = [];
    for (let nowMs = 0; nowMs < 20_000; nowMs += random.integer(1, 40)) {
      histogram.add(1, nowMs);
      added.push(nowMs);
      const { count } = histogram.summary('capture', nowMs);
      const within = (ms: number) => added.filter((at) => at > nowMs - ms).length;
      expect(count).toBeGreaterThanOrEqual(Math.min(within(960), added.length));
      expect(count).toBeLessThanOrEqual(within(2_041));
    }
  });
});

describe('narrower buckets', () => {
  test.each([0.004, 0.127, 1.5, 2.55, 2.56, 20, 23.04, 180, 500])('have %f ms', (ms) => {
    const histogram = new LatencyHistogram(10_000, 0, 0.01);
    for (let i = 0; i < 9; i++) histogram.add(ms, 0);
    histogram.add(2 * ms + 1, 0);
    const { p50Ms } = histogram.figures(0);
    expect(p50Ms).toBeGreaterThanOrEqual(ms);
    expect(p50Ms).toBeLessThanOrEqual(ms < 2.56 ? ms + 0.01 : ms < 23.04 ? ms + 0.08 : 2 * ms + 1);
  });
});

describe('the mean and the jitter', () => {
  test('are those of the steps from one to the next', () => {
    const histogram = new LatencyHistogram(10_000, 0);
    for (let i = 0; i < 1_000; i++) histogram.add(i % 2 === 0 ? 20 : 30, i);
    const { meanMs, jitterMs } = histogram.figures(1_000);
    expect(meanMs).toBe(25);
    expect(jitterMs).toBeCloseTo(10, 1);
  });

  test('of the totals are of all that ever was', () => {
    const histogram = new LatencyHistogram(1_000, 0);
    for (let i = 0; i < 50; i++) histogram.add(10, i * 1_000);
    histogram.forget();
    expect(histogram.figures(100_000)).toMatchObject({ count: 0, totalCount: 50, totalMs: 500 });
  });
});

describe('the trend', () => {
  function trendAfter(seconds: number, latencyMs: (second: number) => number): number {
    const histogram = new LatencyHistogram(10_000, 0);
    for (let i = 0; i <= 50 * seconds; i++) histogram.add(latencyMs(i / 50), i * 20);
    return histogram.figures(seconds * 1_000).trendMsPerMinute;
  }

  test('is nothing before there are three windows', () =>
    expect(trendAfter(29, (second) => second)).toBe(0));

  test.each([0, 6, -6])('is the slope, %d ms a minute', (perMinute) =>
    expect(trendAfter(100, (second) => 50 + (perMinute * second) / 60)).toBeCloseTo(perMinute, 1),
  );

  test('is that of the last minute', () => {
    const trend = trendAfter(300, (second) => Math.min(100, second));
    expect(trend).toBeCloseTo(0, 1);
  });

  test('begins anew after a pause', () => {
    const histogram = new LatencyHistogram(10_000, 0);
    for (let i = 0; i < 3_000; i++) histogram.add(i / 10, i * 20);
    expect(histogram.figures(60_000).trendMsPerMinute).toBeGreaterThan(100);
    histogram.add(300, 120_000);
    expect(histogram.figures(120_000).trendMsPerMinute).toBe(0);
  });
});
