import type { FanOutLeg } from './fanOut.js';
import type { Leg } from './judgeLeg.js';
import type { CpuSeries } from './measureCpu.js';
import type { Recovery } from './recovery.js';
import type { SubjectName } from './Subject.js';
import type { Setting } from './settings.js';
import type { BadWindow } from './Witness.js';

export type Row = {
  setting: Setting;
  legs: Partial<Record<SubjectName, Leg[]>>;
};

/** What one run measured. What was not measured is empty. */
export type Results = {
  rows: Row[];
  cpu: CpuSeries[];
  fanOut: FanOutLeg[];
  recovery: Recovery[];
  /** The output card's clock against the input card's. */
  drift: { skewPpm: number; leg: Leg }[];
  /** Traces in virtual time, as a table. */
  jitter: string;
  /** What could not be measured, and why. */
  skipped: string[];
  windows: readonly BadWindow[];
  /** Whether all legs of latency and drift were measured at the same time. */
  atOnce: boolean;
};

export function legsOf(results: Results, settingName: string, subject: SubjectName): Leg[] {
  return results.rows.find(({ setting }) => setting.name === settingName)?.legs[subject] ?? [];
}
