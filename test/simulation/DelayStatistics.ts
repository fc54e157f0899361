const widthMs = 0.1;
const bucketCount = 100_000;

/** Delays in milliseconds: their mean, and quantiles to a tenth of a millisecond. */
export class DelayStatistics {
  readonly #counts = new Uint32Array(bucketCount);
  #count = 0;
  #sumMs = 0;
  #mostMs = 0;

  add(ms: number): void {
    const bucket = Math.min(bucketCount - 1, Math.max(0, Math.floor(ms / widthMs)));
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#count += 1;
    this.#sumMs += ms;
    this.#mostMs = Math.max(this.#mostMs, ms);
  }

  get count(): number {
    return this.#count;
  }

  get meanMs(): number {
    return this.#count === 0 ? 0 : this.#sumMs / this.#count;
  }

  get mostMs(): number {
    return this.#mostMs;
  }

  quantileMs(quantile: number): number {
    let left = quantile * this.#count;
    for (let bucket = 0; bucket < bucketCount; bucket++) {
      left -= this.#counts[bucket] ?? 0;
      if (left <= 0) return (bucket + 1) * widthMs;
    }
    return bucketCount * widthMs;
  }
}
