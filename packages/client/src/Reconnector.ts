import { ProtocolError } from '@kvm-audio/protocol';

/** Waits between tries: at once, then longer and longer, with jitter. */
const backoff = { firstMs: 50, maxMs: 2_000, jitter: 0.2 };

/**
 * Keeps trying to have one connection: at once after a loss, then with backoff. `connectOnce`
 * resolves when it is up and calls `lost` once when it is not any more.
 */
export class Reconnector {
  readonly #connectOnce: (lost: (error: ProtocolError | undefined) => void) => Promise<void>;
  readonly #onFailure: (error: ProtocolError) => void;
  #failures = 0;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(
    connectOnce: (lost: (error: ProtocolError | undefined) => void) => Promise<void>,
    onFailure: (error: ProtocolError) => void,
  ) {
    this.#connectOnce = connectOnce;
    this.#onFailure = onFailure;
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  start(): void {
    void this.#try();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  async #try(): Promise<void> {
    if (this.#stopped) return;
    try {
      await this.#connectOnce(() => this.#again(0));
      this.#failures = 0;
    } catch (error) {
      const failure = ProtocolError.from(error);
      this.#onFailure(failure);
      const doubled = Math.min(backoff.firstMs * 2 ** this.#failures, backoff.maxMs);
      this.#failures += 1;
      this.#again(doubled * (1 + backoff.jitter * (2 * Math.random() - 1)));
    }
  }

  #again(delayMs: number): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => void this.#try(), delayMs);
  }
}
