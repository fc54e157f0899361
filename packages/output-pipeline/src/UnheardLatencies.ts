/** How long a packet's sound took, stage by stage, when it was given to the card. */
export type PacketLatencies = {
  /** Of sound. */
  frames: number;
  atMs: number;
  /** Not a number where nobody knows when it was captured. */
  transitMs: number;
  queueMs: number;
  decodeMs: number;
  deviceMs: number;
  endToEndMs: number;
};

export const noLatencies: Readonly<PacketLatencies> = {
  frames: 0,
  atMs: 0,
  transitMs: 0,
  queueMs: 0,
  decodeMs: 0,
  deviceMs: 0,
  endToEndMs: 0,
};
const fields = Object.keys(noLatencies) as (keyof PacketLatencies)[];
/** A second of the shortest packets; of more, the oldest are believed before they are heard. */
const packetsMax = 400;

/**
 * What was measured of sound that is not heard yet, the oldest first: what is thrown away before
 * it is heard has no latency. Allocates nothing.
 */
export class UnheardLatencies {
  readonly #values = new Float64Array(packetsMax * fields.length);
  readonly #taken: PacketLatencies = { ...noLatencies };
  #first = 0;
  #count = 0;
  #frames = 0;

  get isFull(): boolean {
    return this.#count === packetsMax;
  }

  add(latencies: PacketLatencies): void {
    const at = ((this.#first + this.#count) % packetsMax) * fields.length;
    for (const [i, field] of fields.entries()) this.#values[at + i] = latencies[field];
    this.#count += 1;
    this.#frames += latencies.frames;
  }

  /**
   * @param unplayedFrames of all that was given
   * @returns the oldest, if it has been played: it is none of these any more, and good until the
   *   next call.
   */
  takeHeard(unplayedFrames: number): PacketLatencies | undefined {
    const at = this.#first * fields.length;
    const leftFrames = this.#frames - (this.#values[at] ?? 0);
    if (this.#count === 0 || leftFrames < unplayedFrames) return undefined;
    for (const [i, field] of fields.entries()) this.#taken[field] = this.#values[at + i] ?? 0;
    this.#first = (this.#first + 1) % packetsMax;
    this.#count -= 1;
    this.#frames = leftFrames;
    return this.#taken;
  }

  clear(): void {
    this.#count = 0;
    this.#frames = 0;
  }
}
