/**
 * For how long something that should run did not, all its outages together. An outage is seen more
 * than once, a hang before the death that it comes to: it is counted from the first.
 */
export class Downtime {
  #pastMs = 0;
  #sinceMs: number | undefined;

  /** It does not run any more. */
  begin(nowMs: number): void {
    this.#sinceMs ??= nowMs;
  }

  /** It runs again, or is to run no more. Idempotent. */
  end(nowMs: number): void {
    this.#pastMs = this.totalMs(nowMs);
    this.#sinceMs = undefined;
  }

  /** With the outage that still lasts. */
  totalMs(nowMs: number): number {
    return this.#pastMs + nowMs - (this.#sinceMs ?? nowMs);
  }
}
