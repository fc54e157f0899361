import { readReport } from '@kvm-audio/daemon';
import type { PipelineReport } from '@kvm-audio/protocol';

/** Figures this young are those of now: they are not asked for more often, however many want them. */
const freshMs = 200;
/** Nobody waits longer for a pipeline that is busy, or hangs. */
const deadlineMs = 250;

/** What a pipeline's process told of itself last. */
export class NewestReport {
  #report: PipelineReport | null = null;
  #atMs = 0;
  /** An answer is under way. */
  #asked: Promise<void> | undefined;

  /** Nil before the first. */
  get report(): PipelineReport | null {
    return this.#report;
  }

  /** Whole milliseconds since it came; nil before the first. */
  get ageMs(): number | null {
    return this.#report && Math.round(performance.now() - this.#atMs);
  }

  /** @throws ProtocolError MALFORMED_MESSAGE where the text is no report. */
  take(text: unknown): PipelineReport {
    this.#report = readReport(text);
    this.#atMs = performance.now();
    return this.#report;
  }

  /** Another process tells from now on. */
  forget(): void {
    this.#report = null;
  }

  /**
   * Has `report` be that of now. Where no answer comes it stays what it was.
   *
   * @param ask resolves when the answer was taken, rejects at the latest after `deadlineMs`.
   */
  async refresh(ask: (deadlineMs: number) => Promise<void>): Promise<void> {
    if (this.ageMs !== null && this.ageMs < freshMs) return;
    this.#asked ??= ask(deadlineMs)
      .catch(() => undefined)
      .finally(() => {
        this.#asked = undefined;
      });
    await this.#asked;
  }
}
