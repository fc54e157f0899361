/**
 * Waits between tries. They grow with the time that it has gone wrong for: a server that is back
 * after half a second is met within 100 ms.
 */
const backoff = { firstMs: 20, growth: 0.2, maxMs: 2_000, jitter: 0.4 };

/** A connection that held for so long was a good one: its loss begins a new count. */
const stableMs = 1_000;

type State = 'idle' | 'trying' | 'up' | 'waiting' | 'stopped';

/**
 * Says when to try to have one connection: at the start and after the loss of a good one at once,
 * else with backoff. Told of each try's end, once: `up` (and later `lost`), or `failed`. There is
 * one try or one timer at a time, whatever it is told.
 */
export class Reconnector {
  readonly #tryOnce: () => void;
  #state: State = 'idle';
  #timer: NodeJS.Timeout | undefined;
  #upSinceMs = 0;
  /** Since when there was no connection that held for `stableMs`. */
  #troubledSinceMs: number | undefined;

  constructor(tryOnce: () => void) {
    this.#tryOnce = tryOnce;
  }

  start(): void {
    if (this.#state === 'idle') this.#try();
  }

  /** For good. Idempotent. */
  stop(): void {
    this.#state = 'stopped';
    clearTimeout(this.#timer);
  }

  up(): void {
    if (this.#state !== 'trying') return;
    this.#state = 'up';
    this.#upSinceMs = performance.now();
  }

  /** @returns milliseconds until the next try. */
  lost(): number {
    if (this.#state !== 'up') return 0;
    const nowMs = performance.now();
    if (nowMs - this.#upSinceMs >= stableMs) this.#troubledSinceMs = undefined;
    return this.#again(this.#troubledSinceMs === undefined ? 0 : this.#backoffMs(nowMs));
  }

  /**
   * @param retryable false where another try will hardly do: it is made after the longest wait.
   * @returns milliseconds until the next try.
   */
  failed(retryable: boolean): number {
    if (this.#state !== 'trying') return 0;
    return this.#again(retryable ? this.#backoffMs(performance.now()) : jittered(backoff.maxMs));
  }

  #backoffMs(nowMs: number): number {
    const troubledMs = nowMs - (this.#troubledSinceMs ?? nowMs);
    const waitMs = Math.max(backoff.firstMs, troubledMs * backoff.growth);
    return jittered(Math.min(waitMs, backoff.maxMs));
  }

  #again(waitMs: number): number {
    this.#troubledSinceMs ??= performance.now();
    this.#state = 'waiting';
    this.#timer = setTimeout(() => this.#try(), waitMs);
    return waitMs;
  }

  #try(): void {
    this.#state = 'trying';
    this.#tryOnce();
  }
}

function jittered(waitMs: number): number {
  return waitMs * (1 - backoff.jitter * Math.random());
}
