import { closeSync, openSync, readSync } from 'node:fs';
import { processCpuMs } from '@kvm-audio/native-alsa/sys';

/** What a process has taken so far, and holds now. */
export type ProcessTaken = {
  /** User and system time of all its threads. */
  cpuMs: number;
  residentPages: number;
};

/** Seven numbers. */
const text = Buffer.alloc(256);

/** The second number of /proc/PID/statm (man 5 proc). */
export function parseResidentPages(statm: string): number | undefined {
  const pages = Number(statm.split(' ', 2)[1] ?? Number.NaN);
  return Number.isSafeInteger(pages) ? pages : undefined;
}

/**
 * One process' figures, from a file that stays open: that takes a quarter of the time of opening it
 * for each look, and another process that gets the same id is never taken for this one.
 */
export class ProcessFigures {
  readonly #pid: number;
  readonly #fd: number;

  /** @throws the error of open(2) where there is no such process. */
  constructor(pid: number) {
    this.#pid = pid;
    this.#fd = openSync(`/proc/${pid}/statm`, 'r');
  }

  /** @returns undefined once the process has ended. */
  read(): ProcessTaken | undefined {
    try {
      const length = readSync(this.#fd, text, 0, text.length, 0);
      const residentPages = parseResidentPages(text.toString('latin1', 0, length));
      if (residentPages === undefined) return undefined;
      return { cpuMs: processCpuMs(this.#pid), residentPages };
    } catch {
      return undefined;
    }
  }

  close(): void {
    closeSync(this.#fd);
  }
}
