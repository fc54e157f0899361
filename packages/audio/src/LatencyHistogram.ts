import type { LatencyFigures, LatencySummary } from '@kvm-audio/protocol';

// Buckets get wider with the value: 256 of one width, 256 of 8 widths, 128 of 128 widths, then
// one. With a width of 0.25 ms that is 0.25 ms to 64 ms, 2 ms to 576 ms, 32 ms to 4.7 s.
const fine = { buckets: 256, widths: 1 };
const middle = { buckets: 256, widths: 8 };
const coarse = { buckets: 128, widths: 128 };
const middleFrom = fine.buckets * fine.widths;
const coarseFrom = middleFrom + middle.buckets * middle.widths;
const bucketCount = fine.buckets + middle.buckets + coarse.buckets + 1;

/** @param value in widths of the narrowest bucket. */
function bucketOf(value: number): number {
  if (value < middleFrom) return Math.floor(value);
  if (value < coarseFrom) return fine.buckets + Math.floor((value - middleFrom) / middle.widths);
  const bucket = Math.floor((value - coarseFrom) / coarse.widths);
  return fine.buckets + middle.buckets + Math.min(bucket, coarse.buckets);
}

/** Upper edge, so that a quantile is never told too low. The last bucket has none. */
function upperEdge(bucket: number): number {
  if (bucket < fine.buckets) return bucket + 1;
  const inMiddle = bucket - fine.buckets;
  if (inMiddle < middle.buckets) return middleFrom + (inMiddle + 1) * middle.widths;
  const inCoarse = inMiddle - middle.buckets;
  if (inCoarse >= coarse.buckets) return Number.POSITIVE_INFINITY;
  return coarseFrom + (inCoarse + 1) * coarse.widths;
}

class Window {
  readonly counts = new Uint32Array(bucketCount);
  total = 0;
  sumMs = 0;
  maxMs = 0;
  stepSumMs = 0;

  clear(): void {
    this.counts.fill(0);
    this.total = 0;
    this.sumMs = 0;
    this.maxMs = 0;
    this.stepSumMs = 0;
  }
}

/** Means of whole windows that the trend is taken over. */
const trendWindows = 6;
const trendWindowsMin = 3;
const minuteMs = 60_000;

/** The slope of the line that fits `values` best, for each step from one to the next. */
function slopeOf(values: readonly number[]): number {
  const middleIndex = (values.length - 1) / 2;
  let product = 0;
  let square = 0;
  for (const [index, value] of values.entries()) {
    product += (index - middleIndex) * value;
    square += (index - middleIndex) ** 2;
  }
  return product / square;
}

/**
 * Latencies of the last one to two windows, in fixed memory. `add` allocates nothing; quantiles
 * are right to the width of a bucket (below 256 widths, `widthMs`). Its clock is what it is told.
 */
export class LatencyHistogram {
  readonly #windowMs: number;
  readonly #perWidth: number;
  #now = new Window();
  #before = new Window();
  #rotateAtMs: number;
  /** Means of the windows that have passed, the newest last. */
  readonly #means: number[] = [];
  #lastMs = 0;
  #totalCount = 0;
  #totalMs = 0;

  constructor(windowMs: number, nowMs: number, widthMs = 0.25) {
    this.#windowMs = windowMs;
    this.#rotateAtMs = nowMs + windowMs;
    this.#perWidth = 1 / widthMs;
  }

  /** @param ms a latency; a negative one (clocks that disagree) counts as 0. */
  add(ms: number, nowMs: number): void {
    if (nowMs >= this.#rotateAtMs) this.#rotate(nowMs);
    const latencyMs = ms > 0 ? ms : 0;
    const window = this.#now;
    const bucket = bucketOf(latencyMs * this.#perWidth);
    window.counts[bucket] = (window.counts[bucket] ?? 0) + 1;
    window.total += 1;
    window.sumMs += latencyMs;
    if (latencyMs > window.maxMs) window.maxMs = latencyMs;
    if (this.#totalCount > 0) window.stepSumMs += Math.abs(latencyMs - this.#lastMs);
    this.#lastMs = latencyMs;
    this.#totalCount += 1;
    this.#totalMs += latencyMs;
  }

  figures(nowMs: number): LatencyFigures {
    if (nowMs >= this.#rotateAtMs) this.#rotate(nowMs);
    const [now, before] = [this.#now, this.#before];
    const maxMs = Math.max(now.maxMs, before.maxMs);
    const at = (q: number): number => Math.min(this.#quantile(q), maxMs);
    const count = now.total + before.total;
    const mean = (sum: number): number => (count === 0 ? 0 : sum / count);
    return {
      count,
      meanMs: mean(now.sumMs + before.sumMs),
      p50Ms: at(0.5),
      p95Ms: at(0.95),
      p99Ms: at(0.99),
      maxMs,
      jitterMs: mean(now.stepSumMs + before.stepSumMs),
      trendMsPerMinute: this.#trendMsPerMinute(),
      totalCount: this.#totalCount,
      totalMs: this.#totalMs,
    };
  }

  /** The value that this share of all are not above, told no lower than it is; 0 of nothing. */
  quantileMs(share: number, nowMs: number): number {
    if (nowMs >= this.#rotateAtMs) this.#rotate(nowMs);
    return Math.min(this.#quantile(share), Math.max(this.#now.maxMs, this.#before.maxMs));
  }

  summary(from: LatencySummary['from'], nowMs: number): LatencySummary {
    return Object.assign(this.figures(nowMs), { from });
  }

  /** What was measured does not compare with what comes. The totals go on. */
  forget(): void {
    this.#now.clear();
    this.#before.clear();
    this.#means.length = 0;
  }

  #trendMsPerMinute(): number {
    if (this.#means.length < trendWindowsMin) return 0;
    return (slopeOf(this.#means) * minuteMs) / this.#windowMs;
  }

  #quantile(q: number): number {
    const total = this.#now.total + this.#before.total;
    if (total === 0) return 0;
    const rank = Math.ceil(q * total);
    let seen = 0;
    let bucket = -1;
    while (seen < rank) {
      bucket += 1;
      seen += (this.#now.counts[bucket] ?? 0) + (this.#before.counts[bucket] ?? 0);
    }
    return upperEdge(bucket) / this.#perWidth;
  }

  #rotate(nowMs: number): void {
    const missedOne = nowMs >= this.#rotateAtMs + this.#windowMs;
    const { total, sumMs } = this.#now;
    if (missedOne || total === 0) this.#means.length = 0;
    else this.#means.push(sumMs / total);
    if (this.#means.length > trendWindows) this.#means.shift();
    [this.#now, this.#before] = [this.#before, this.#now];
    this.#now.clear();
    if (missedOne) this.#before.clear();
    this.#rotateAtMs = nowMs + this.#windowMs;
  }
}
