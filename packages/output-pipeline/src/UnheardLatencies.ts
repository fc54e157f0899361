/** What is known of a packet's way when its sound is given to the card: where it is in a row. */
export const column = {
  /** Of sound. */
  frames: 0,
  atMs: 1,
  /** Not a number where nobody knows when it was captured. */
  transitMs: 2,
  queueMs: 3,
  decodeMs: 4,
  deviceMs: 5,
  endToEndMs: 6,
} as const;
const rowLength = 7;
/** A second of the shortest packets; of more, the oldest are believed before they are heard. */
const rowsMax = 400;

/**
 * What was measured of sound that is not heard yet, the oldest first: what is thrown away before
 * it is heard has no latency. Allocates nothing.
 */
export class UnheardLatencies {
  /** Rows, each from the index that it was given out by. */
  readonly values = new Float64Array(rowsMax * rowLength);
  #first = 0;
  #count = 0;
  #frames = 0;

  get isFull(): boolean {
    return this.#count === rowsMax;
  }

  /** @returns where the row of a packet begins that is to be filled in now: not while it is full. */
  add(frames: number): number {
    const row = ((this.#first + this.#count) % rowsMax) * rowLength;
    this.values[row + column.frames] = frames;
    this.#count += 1;
    this.#frames += frames;
    return row;
  }

  /**
   * @param unplayedFrames of all that was given
   * @returns where the oldest row begins, if its sound has been played, else −1. It is none of
   *   these any more, and good until the next is added.
   */
  takeHeard(unplayedFrames: number): number {
    const row = this.#first * rowLength;
    const leftFrames = this.#frames - (this.values[row + column.frames] ?? 0);
    if (this.#count === 0 || leftFrames < unplayedFrames) return -1;
    this.#first = (this.#first + 1) % rowsMax;
    this.#count -= 1;
    this.#frames = leftFrames;
    return row;
  }

  clear(): void {
    this.#count = 0;
    this.#frames = 0;
  }
}
