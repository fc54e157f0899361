/** What came into a pipeline since its start: frames, their payload, and when the last one came. */
export class FrameCount {
  #frames = 0;
  #bytes = 0;
  #lastUs: number | undefined;

  /** A frame came, at this time of CLOCK_MONOTONIC. */
  note(timeUs: number): void {
    this.#frames += 1;
    this.#lastUs = timeUs;
  }

  addPayload(bytes: number): void {
    this.#bytes += bytes;
  }

  /** Since the last frame; infinite before the first. */
  silentUs(nowUs: number): number {
    return nowUs - (this.#lastUs ?? Number.NEGATIVE_INFINITY);
  }

  /**
   * By today's wall clock: who compares it with that gets the time that has passed, also where the
   * clock was set meanwhile.
   *
   * @param wallMs the same moment as `nowUs`, in milliseconds since 1970.
   */
  report(nowUs: number, wallMs: number) {
    const silentMs = this.silentUs(nowUs) / 1000;
    const lastFrameAtMs = this.#lastUs === undefined ? null : Math.round(wallMs - silentMs);
    return { framesReceived: this.#frames, bytes: this.#bytes, lastFrameAtMs };
  }
}
