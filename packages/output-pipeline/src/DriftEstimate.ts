/** Points of one second each that the slope is taken over. */
const pointsMax = 120;
/** With less than so many in a row tell there is no answer: their noise would be most of it. */
const pointsMin = 20;
/** With so many there is a first guess. */
const guessPointsMin = 5;

/**
 * How much faster the source's clock runs than the card's, from the margin that there would be if
 * nobody had corrected it: its slope over the last two minutes, by least squares. What lies between
 * two steps has a height of its own, and only the slope in common: how high a step was is not known.
 * A margin that is known to ±0.3 ms each second gives the slope to about ±1 ppm.
 */
export class DriftEstimate {
  readonly #timesS = new Float64Array(pointsMax);
  readonly #offsetsMs = new Float64Array(pointsMax);
  /** Which stretch between two steps a point is of. */
  readonly #stretches = new Uint32Array(pointsMax);
  #points = 0;
  #next = 0;
  #stretch = 0;

  /** Parts per million, positive: the source is faster. Undefined while too little was seen. */
  get ppm(): number | undefined {
    return this.#ppmFrom(pointsMin);
  }

  /** The best that can be said so far, 0 where nothing can. */
  get guessPpm(): number {
    return this.#ppmFrom(guessPointsMin) ?? 0;
  }

  /** @param offsetMs of the stream against the card: what the margin would be without correction. */
  add(timeS: number, offsetMs: number): void {
    this.#timesS[this.#next] = timeS;
    this.#offsetsMs[this.#next] = offsetMs;
    this.#stretches[this.#next] = this.#stretch;
    this.#next = (this.#next + 1) % pointsMax;
    this.#points = Math.min(this.#points + 1, pointsMax);
  }

  /** Before the next point the margin makes a step that is no drift. */
  step(): void {
    this.#stretch += 1;
  }

  reset(): void {
    this.#points = 0;
    this.#next = 0;
  }

  #ppmFrom(pointsLeast: number): number | undefined {
    const { slope, spread } = this.#fit();
    return spread < spreadOf(pointsLeast) ? undefined : slope * 1000;
  }

  /** One slope for all stretches: in ms a second, with the sum of (time - mean time)² below it. */
  #fit(): { slope: number; spread: number } {
    const first = (this.#next - this.#points + pointsMax) % pointsMax;
    let stretch = new Stretch(this.#stretches[first] ?? 0);
    let above = 0;
    let spread = 0;
    for (let i = 0; i < this.#points; i++) {
      const at = (first + i) % pointsMax;
      const id = this.#stretches[at] ?? 0;
      if (id !== stretch.id) {
        above += stretch.above;
        spread += stretch.spread;
        stretch = new Stretch(id);
      }
      stretch.add(this.#timesS[at] ?? 0, this.#offsetsMs[at] ?? 0);
    }
    above += stretch.above;
    spread += stretch.spread;
    return { slope: spread > 0 ? above / spread : 0, spread };
  }
}

/** Sums over the points between two steps, about their own mean, by Welford's recurrence. */
class Stretch {
  readonly id: number;
  above = 0;
  spread = 0;
  #count = 0;
  #meanS = 0;
  #meanMs = 0;

  constructor(id: number) {
    this.id = id;
  }

  add(timeS: number, offsetMs: number): void {
    this.#count += 1;
    const s = timeS - this.#meanS;
    this.#meanS += s / this.#count;
    this.#meanMs += (offsetMs - this.#meanMs) / this.#count;
    this.spread += s * (timeS - this.#meanS);
    this.above += s * (offsetMs - this.#meanMs);
  }
}

/** What so many points give, a second apart and without a step between them. */
function spreadOf(points: number): number {
  return (points * (points * points - 1)) / 12 - 1e-6;
}
