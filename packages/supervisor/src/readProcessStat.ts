import { readFileSync } from 'node:fs';

/** Of a process, as /proc/PID/stat tells it (man 5 proc), in the kernel's units. */
export type ProcessStat = {
  /** User and system time of all its threads, in clock ticks. */
  cpuTicks: number;
  /** When it began, in clock ticks: another process with the same id has another. */
  startTicks: number;
  residentPages: number;
};

/** Fields are numbered from 1 in the manual; the third is the first behind the name. */
const firstField = 3;
const fields = { utime: 14, stime: 15, startTime: 22, resident: 24 };

/** The name in brackets may hold blanks and brackets: what is behind the last one counts. */
export function parseProcessStat(text: string): ProcessStat | undefined {
  const values = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const field = (number: number): number => Number(values[number - firstField] ?? Number.NaN);
  const cpuTicks = field(fields.utime) + field(fields.stime);
  const startTicks = field(fields.startTime);
  const residentPages = field(fields.resident);
  const isWhole = [cpuTicks, startTicks, residentPages].every(Number.isSafeInteger);
  return isWhole ? { cpuTicks, startTicks, residentPages } : undefined;
}

/** @returns undefined where there is no such process (any more). */
export function readProcessStat(pid: number): ProcessStat | undefined {
  try {
    // For utf8 Node has a reading in one call; what counts is plain, behind a name of any bytes.
    return parseProcessStat(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return undefined;
  }
}
