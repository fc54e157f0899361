import { reportMsMax } from '@kvm-audio/daemon';

/** Times that bound a child's silence. */
const deadlines = {
  /** From its start until it is ready: a small core that others keep busy starts Node in some seconds. */
  readyMs: 30_000,
  /** Without figures for so long, of which one was missed, it is asked for them. */
  silenceMs: 4_000,
  /** Without an answer for so long it hangs. */
  answerMs: 500,
  /** The device's thread has not come back from the kernel for so long: only its process' end helps. */
  callMs: 3_000,
};

export type HangWatchOptions = {
  /** Asks the child for its figures; rejects where it does not answer in that time. */
  ask(deadlineMs: number): Promise<void>;
  onHung(reason: string): void;
};

/** Watches whether a child lives, from its start to its end, by the figures that it tells. */
export class HangWatch {
  readonly #options: HangWatchOptions;
  #timer: NodeJS.Timeout | undefined;
  #callTimer: NodeJS.Timeout | undefined;

  constructor(options: HangWatchOptions) {
    this.#options = options;
  }

  /** A child was started. */
  begin(): void {
    const { readyMs } = deadlines;
    this.#watch(readyMs, () => this.#options.onHung(`not ready for ${readyMs / 1000} s`));
  }

  /**
   * The child is ready, or has told its figures.
   *
   * @param callMs for how long its device's thread has been in the kernel.
   */
  note(callMs: number): void {
    const { silenceMs, answerMs } = deadlines;
    this.#watch(silenceMs, () => {
      const timer = this.#timer;
      // What was stopped together with this process, and goes on with it, answers.
      this.#options.ask(answerMs).catch(() => {
        if (this.#timer === timer) {
          this.#options.onHung(`no heartbeat for ${(silenceMs + answerMs) / 1000} s`);
        }
      });
    });
    this.#noteCall(callMs);
  }

  /** The child has ended, or is to end. Idempotent. */
  end(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#callTimer);
    this.#timer = undefined;
  }

  #noteCall(callMs: number): void {
    clearTimeout(this.#callTimer);
    const leftMs = deadlines.callMs - callMs;
    if (leftMs <= 0) {
      const forS = (callMs / 1000).toFixed(1);
      this.#options.onHung(`a call on the card has not returned for ${forS} s`);
    } else if (leftMs < reportMsMax) {
      // The next figures that it tells by itself may come too late.
      this.#callTimer = setTimeout(() => {
        this.#options.ask(deadlines.answerMs).catch(() => undefined);
      }, leftMs);
    }
  }

  #watch(ms: number, onLate: () => void): void {
    clearTimeout(this.#timer);
    const timer = setTimeout(() => {
      // Where this process itself was stopped, what came waits to be read: it is looked at first.
      setImmediate(() => {
        if (this.#timer === timer) onLate();
      });
    }, ms);
    this.#timer = timer;
  }
}
