/** Where some wait for each other, as often as they like. Who comes no more leaves. */
export class Barrier {
  #members: number;
  readonly #waiting: (() => void)[] = [];

  constructor(members: number) {
    this.#members = members;
  }

  /** Resolves when everybody waits who has not left. */
  meet(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#openIfComplete();
    });
  }

  leave(): void {
    this.#members -= 1;
    this.#openIfComplete();
  }

  #openIfComplete(): void {
    if (this.#waiting.length < this.#members) return;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
