/**
 * Who has a stream: its fast path, or whoever works in `hold`. The fast path has it between two
 * such works, as far as it takes it.
 */
export class StreamHold {
  readonly #takeBack: () => void;
  readonly #lend: () => void;
  readonly #catchUp: () => boolean;
  #held = false;

  /**
   * @param takeBack takes the stream from its fast path.
   * @param lend gives it to the fast path, where that is of use.
   * @param catchUp learns what the fast path has done, which goes on; false where it cannot.
   */
  constructor(takeBack: () => void, lend: () => void, catchUp: () => boolean = () => false) {
    this.#takeBack = takeBack;
    this.#lend = lend;
    this.#catchUp = catchUp;
  }

  /** Nothing of the stream is the fast path's meanwhile. May be called within `work`. */
  hold<T>(work: () => T): T {
    if (this.#held) return work();
    this.#held = true;
    try {
      this.#takeBack();
      return work();
    } finally {
      this.#held = false;
      this.#lend();
    }
  }

  /** What the fast path has done is known afterwards. It keeps the stream where it can. */
  catchUp(): void {
    if (!this.#catchUp()) this.hold(() => undefined);
  }

  /** The stream is not the fast path's, and may become it now, unless somebody holds it. */
  release(): void {
    if (!this.#held) this.#lend();
  }
}
