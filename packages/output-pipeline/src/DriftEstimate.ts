/** Points of one second each that the slope is taken over. */
const pointsMax = 120;
/** With fewer there is no answer: the noise of single points would be most of it. */
const pointsMin = 20;
/** With so many there is a first guess. */
const guessPointsMin = 5;
/** Farther than this from what is expected is a step, whoever made it; clocks do not jump. */
const stepMs = 3;

/**
 * How much faster the source's clock runs than the card's, from the margin that there would be if
 * nobody had corrected it: its slope over the last two minutes, by least squares. A margin that is
 * known to ±0.3 ms each second gives it to about ±1 ppm.
 */
export class DriftEstimate {
  readonly #timesS = new Float64Array(pointsMax);
  readonly #offsetsMs = new Float64Array(pointsMax);
  #points = 0;
  #next = 0;
  #stepsMs = 0;
  #stepped = false;

  /** Parts per million, positive: the source is faster. Undefined while too little was seen. */
  get ppm(): number | undefined {
    if (this.#points < pointsMin) return undefined;
    return this.#line().slope * 1000;
  }

  /** The best that can be said so far, 0 where nothing can. */
  get guessPpm(): number {
    return this.#points < guessPointsMin ? 0 : this.#line().slope * 1000;
  }

  /** @param offsetMs of the stream against the card: what the margin would be without correction. */
  add(timeS: number, offsetMs: number): void {
    const off = this.#points === 0 ? 0 : this.#expected(timeS) - offsetMs - this.#stepsMs;
    const jumped = this.#points >= pointsMin && Math.abs(off) > stepMs;
    // A step says nothing about the clocks: the line goes on where it was.
    if (this.#stepped || jumped) this.#stepsMs += off;
    this.#stepped = false;
    this.#timesS[this.#next] = timeS;
    this.#offsetsMs[this.#next] = offsetMs + this.#stepsMs;
    this.#next = (this.#next + 1) % pointsMax;
    this.#points = Math.min(this.#points + 1, pointsMax);
  }

  /** Before the next point the margin makes a step that is no drift. */
  step(): void {
    this.#stepped = true;
  }

  reset(): void {
    this.#points = 0;
    this.#next = 0;
    this.#stepsMs = 0;
    this.#stepped = false;
  }

  #expected(timeS: number): number {
    const { slope, meanS, meanMs } = this.#line();
    return meanMs + slope * (timeS - meanS);
  }

  #line(): { slope: number; meanS: number; meanMs: number } {
    let meanS = 0;
    let meanMs = 0;
    for (let i = 0; i < this.#points; i++) {
      meanS += (this.#timesS[i] ?? 0) / this.#points;
      meanMs += (this.#offsetsMs[i] ?? 0) / this.#points;
    }
    let above = 0;
    let below = 0;
    for (let i = 0; i < this.#points; i++) {
      const s = (this.#timesS[i] ?? 0) - meanS;
      above += s * ((this.#offsetsMs[i] ?? 0) - meanMs);
      below += s * s;
    }
    return { slope: below > 0 ? above / below : 0, meanS, meanMs };
  }
}
