export type RestartLimits = {
  /** Running for so long counts as stable: what was before is forgotten. */
  stableMs: number;
  firstDelayMs: number;
  delayMsMax: number;
  /** Part of a delay by which it varies, so that two children do not start in step. */
  jitter: number;
  /** So many restarts within `failedWindowMs` and the child counts as failed. */
  failedRestarts: number;
  failedWindowMs: number;
  /** A failed child is tried this often: an appliance never gives up. */
  failedRetryMs: number;
};

export const restartLimits: RestartLimits = {
  stableMs: 60_000,
  firstDelayMs: 200,
  delayMsMax: 30_000,
  jitter: 0.1,
  failedRestarts: 10,
  failedWindowMs: 300_000,
  failedRetryMs: 60_000,
};

export type RestartDecision = { delayMs: number; failed: boolean };

/** Says after how long a child that died is started again. Knows no process and no timer. */
export class RestartPolicy {
  readonly #limits: RestartLimits;
  readonly #random: () => number;
  readonly #restartsAtMs: number[] = [];
  #doublings = 0;
  #failed = false;

  constructor(limits: RestartLimits = restartLimits, random: () => number = Math.random) {
    this.#limits = limits;
    this.#random = random;
  }

  /**
   * @param ranMs how long the child ran, 0 if it never was ready.
   */
  onDeath(nowMs: number, ranMs: number): RestartDecision {
    const limits = this.#limits;
    const stable = ranMs >= limits.stableMs;
    if (stable) {
      this.#doublings = 0;
      this.#failed = false;
      this.#restartsAtMs.length = 0;
    }
    while ((this.#restartsAtMs[0] ?? nowMs) < nowMs - limits.failedWindowMs) {
      this.#restartsAtMs.shift();
    }
    if (this.#failed || this.#restartsAtMs.length >= limits.failedRestarts) {
      // Until it has run stably: the slow tries themselves would soon empty the window.
      this.#failed = true;
      return { delayMs: limits.failedRetryMs, failed: true };
    }
    this.#restartsAtMs.push(nowMs);
    if (stable) return { delayMs: 0, failed: false };
    const delayMs = Math.min(limits.firstDelayMs * 2 ** this.#doublings, limits.delayMsMax);
    this.#doublings += 1;
    const factor = 1 + limits.jitter * (2 * this.#random() - 1);
    return { delayMs: Math.round(delayMs * factor), failed: false };
  }
}
