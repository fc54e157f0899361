import type { LatencySummary } from '@kvm-audio/protocol';

// Buckets get wider with the value: 0.25 ms to 64 ms, 2 ms to 576 ms, 32 ms to 4.7 s, then one.
const fine = { buckets: 256, widthMs: 0.25 };
const middle = { buckets: 256, widthMs: 2 };
const coarse = { buckets: 128, widthMs: 32 };
const middleFromMs = fine.buckets * fine.widthMs;
const coarseFromMs = middleFromMs + middle.buckets * middle.widthMs;
const bucketCount = fine.buckets + middle.buckets + coarse.buckets + 1;

function bucketOf(ms: number): number {
  if (ms < middleFromMs) return Math.floor(ms / fine.widthMs);
  if (ms < coarseFromMs) return fine.buckets + Math.floor((ms - middleFromMs) / middle.widthMs);
  const bucket = Math.floor((ms - coarseFromMs) / coarse.widthMs);
  return fine.buckets + middle.buckets + Math.min(bucket, coarse.buckets);
}

/** Upper edge, so that a quantile is never told too low. */
function upperMs(bucket: number): number {
  if (bucket < fine.buckets) return (bucket + 1) * fine.widthMs;
  const inMiddle = bucket - fine.buckets;
  if (inMiddle < middle.buckets) return middleFromMs + (inMiddle + 1) * middle.widthMs;
  return coarseFromMs + (inMiddle - middle.buckets + 1) * coarse.widthMs;
}

class Window {
  readonly counts = new Uint32Array(bucketCount);
  total = 0;
  maxMs = 0;

  clear(): void {
    this.counts.fill(0);
    this.total = 0;
    this.maxMs = 0;
  }
}

/**
 * Latencies of the last one to two windows, in fixed memory. `add` allocates nothing; quantiles
 * are right to the width of a bucket (0.25 ms below 64 ms).
 */
export class LatencyHistogram {
  readonly #windowMs: number;
  #now = new Window();
  #before = new Window();
  #rotateAtMs: number;

  constructor(windowMs = 10_000, nowMs = performance.now()) {
    this.#windowMs = windowMs;
    this.#rotateAtMs = nowMs + windowMs;
  }

  /** @param ms a latency; a negative one (clocks that disagree) counts as 0. */
  add(ms: number, nowMs = performance.now()): void {
    this.#rotate(nowMs);
    const bucket = bucketOf(Math.max(0, ms));
    this.#now.counts[bucket] = (this.#now.counts[bucket] ?? 0) + 1;
    this.#now.total += 1;
    this.#now.maxMs = Math.max(this.#now.maxMs, ms);
  }

  summary(from: LatencySummary['from'], nowMs = performance.now()): LatencySummary {
    this.#rotate(nowMs);
    const maxMs = Math.max(this.#now.maxMs, this.#before.maxMs);
    const at = (q: number): number => Math.min(this.#quantile(q), maxMs);
    return {
      count: this.#now.total + this.#before.total,
      p50Ms: at(0.5),
      p95Ms: at(0.95),
      p99Ms: at(0.99),
      maxMs,
      from,
    };
  }

  #quantile(q: number): number {
    const total = this.#now.total + this.#before.total;
    if (total === 0) return 0;
    const rank = Math.ceil(q * total);
    let seen = 0;
    for (let bucket = 0; bucket < bucketCount; bucket++) {
      seen += (this.#now.counts[bucket] ?? 0) + (this.#before.counts[bucket] ?? 0);
      if (seen >= rank) return upperMs(bucket);
    }
    return upperMs(bucketCount - 1);
  }

  #rotate(nowMs: number): void {
    if (nowMs < this.#rotateAtMs) return;
    const missedOne = nowMs >= this.#rotateAtMs + this.#windowMs;
    [this.#now, this.#before] = [this.#before, this.#now];
    this.#now.clear();
    if (missedOne) this.#before.clear();
    this.#rotateAtMs = nowMs + this.#windowMs;
  }
}
