/** Does something once nothing was held for a while. */
export class Linger {
  readonly #ms: number;
  readonly #done: () => void;
  #timer: NodeJS.Timeout | undefined;

  constructor(ms: number, done: () => void) {
    this.#ms = ms;
    this.#done = done;
  }

  /** It is held again: nothing happens. Idempotent. */
  hold(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Nothing holds it any more: `done` is called after the time, once. Idempotent. */
  letGo(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#done();
    }, this.#ms);
  }
}
