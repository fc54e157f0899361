import { type LatencyStage, latencyStages, type PipelineReport } from '@kvm-audio/protocol';

type Totals = { totalCount: number; totalMs: number };

export type Interval = {
  averageMs: number;
  /** The highest average from one report to the next. */
  worstMs: number;
  stagesMs: { [S in LatencyStage]?: number };
};

function meanOf(now: Totals, before: Totals | undefined): number | undefined {
  const count = now.totalCount - (before?.totalCount ?? 0);
  return count > 0 ? (now.totalMs - (before?.totalMs ?? 0)) / count : undefined;
}

/** What the reports of one pipeline say of the time between two questions. */
export class LatencyWatch {
  #newest: PipelineReport | undefined;
  #taken: PipelineReport | undefined;
  #worstMs = 0;
  /** There was sound before the last question: a start says little. */
  #isUnderWay = false;

  /** With the newest report, at least as often as they come; the same again is no news. */
  look(report: PipelineReport): void {
    const meanMs = this.#newest && meanOf(report.latency, this.#newest.latency);
    if (meanMs !== undefined) this.#worstMs = Math.max(this.#worstMs, meanMs);
    this.#newest = report;
    this.#taken ??= report;
  }

  /** @returns undefined where no sound was measured since the last time, or none before. */
  take(): Interval | undefined {
    const [now, before, worstMs] = [this.#newest, this.#taken, this.#worstMs];
    this.#taken = now;
    this.#worstMs = 0;
    const averageMs = now && before && meanOf(now.latency, before.latency);
    const begins = !this.#isUnderWay;
    this.#isUnderWay = averageMs !== undefined;
    if (averageMs === undefined || begins) return undefined;
    const stagesMs: Interval['stagesMs'] = {};
    for (const stage of latencyStages) {
      const figures = now?.stages[stage];
      const meanMs = figures && meanOf(figures, before?.stages[stage]);
      if (meanMs !== undefined) stagesMs[stage] = meanMs;
    }
    return { averageMs, worstMs, stagesMs };
  }

  /** Another process reports from now on. */
  forget(): void {
    this.#newest = undefined;
    this.#taken = undefined;
    this.#worstMs = 0;
    this.#isUnderWay = false;
  }
}
