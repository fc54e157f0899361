/** Of one pipeline, since its process began. */
export type PacketCounts = { received: number; overflowed: number };

/** Says, once a window, whether too many packets were too many for a queue. */
export class OverflowWatch {
  readonly #windowTicks: number;
  readonly #percentMax: number;
  #ticks = 0;
  #before: PacketCounts | undefined;

  /** @param windowTicks how many ticks a window has. */
  constructor(windowTicks: number, percentMax: number) {
    this.#windowTicks = windowTicks;
    this.#percentMax = percentMax;
  }

  /** @returns whether a window ends here in which it was so. */
  tick(counts: PacketCounts): boolean {
    const before = this.#before;
    // Counts of a process that is new begin at 0.
    if (!before || counts.received < before.received) {
      this.#begin(counts);
      return false;
    }
    this.#ticks += 1;
    if (this.#ticks < this.#windowTicks) return false;
    this.#begin(counts);
    const received = counts.received - before.received;
    const overflowed = counts.overflowed - before.overflowed;
    return 100 * overflowed > this.#percentMax * received;
  }

  #begin(counts: PacketCounts): void {
    this.#before = counts;
    this.#ticks = 0;
  }
}
