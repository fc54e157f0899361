const bucketMs = 0.5;
const bucketCount = 400;
/** What was seen so long ago weighs e times less. */
const memoryUs = 30_000_000;
/** So many new samples are never beyond a quantile: one alone is not. */
const beyondMin = 1.5;
/** Weights grow with time, instead of all that was seen fading; beyond this they are scaled. */
const weightMax = 1e100;
const secondsKept = 60;
const secondUs = 1_000_000;

/**
 * How late packets were: a histogram that forgets, and the latest of each second of the last
 * minute. Fixed memory, nothing is allocated. Its clock is what it is told, and never goes back.
 */
export class LatenessHistogram {
  readonly #weights = new Float64Array(bucketCount);
  #total = 0;
  /** A sample of `#weightAtUs` weighs one. */
  #weightAtUs = 0;
  readonly #latestMs = new Float64Array(secondsKept);
  readonly #sorted = new Float64Array(secondsKept);
  #second = 0;

  /** @param ms at most what the buckets hold counts; more is taken as that. */
  add(ms: number, nowUs: number): void {
    const weight = this.#weightAt(nowUs);
    const bucket = Math.min(bucketCount - 1, Math.max(0, Math.floor(ms / bucketMs)));
    this.#weights[bucket] = (this.#weights[bucket] ?? 0) + weight;
    this.#total += weight;
    this.#passTo(nowUs);
    const at = this.#second % secondsKept;
    this.#latestMs[at] = Math.max(this.#latestMs[at] ?? 0, ms);
  }

  /** The lateness of all but a share of the packets; one sample alone is never it. */
  quantileMs(quantile: number, nowUs: number): number {
    const weight = this.#weightAt(nowUs);
    let left = Math.max((1 - quantile) * this.#total, beyondMin * weight);
    for (let bucket = bucketCount - 1; bucket >= 0; bucket--) {
      left -= this.#weights[bucket] ?? 0;
      if (left < 0) return (bucket + 1) * bucketMs;
    }
    return 0;
  }

  /** The latest of the last minute's seconds, but for so many: those are outliers. */
  latestButMs(outliers: number, nowUs: number): number {
    this.#passTo(nowUs);
    this.#sorted.set(this.#latestMs);
    return this.#sorted.sort()[secondsKept - 1 - outliers] ?? 0;
  }

  /** Of the second that runs and the one before: it was no lateness after all. */
  forgetNewest(): void {
    this.#latestMs[this.#second % secondsKept] = 0;
    this.#latestMs[(this.#second + secondsKept - 1) % secondsKept] = 0;
  }

  clear(): void {
    this.#weights.fill(0);
    this.#latestMs.fill(0);
    this.#total = 0;
  }

  #weightAt(nowUs: number): number {
    const weight = Math.exp((nowUs - this.#weightAtUs) / memoryUs);
    if (weight < weightMax) return weight;
    for (let bucket = 0; bucket < bucketCount; bucket++) {
      this.#weights[bucket] = (this.#weights[bucket] ?? 0) / weight;
    }
    this.#total /= weight;
    this.#weightAtUs = nowUs;
    return 1;
  }

  #passTo(nowUs: number): void {
    const second = Math.floor(nowUs / secondUs);
    const passed = Math.min(second - this.#second, secondsKept);
    for (let i = 0; i < passed; i++) this.#latestMs[(second - i) % secondsKept] = 0;
    this.#second = Math.max(this.#second, second);
  }
}
