import { closeSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs';
import { monotonicMs } from '../helpers/cardTime.js';

/**
 * CPU time of a process so far, all threads, in milliseconds. From the scheduler's own count in
 * nanoseconds: the ticks of /proc/PID/stat are too coarse for a process at 1 %.
 */
function cpuMs(pid: number): number {
  const tasks = readdirSync(`/proc/${pid}/task`);
  const nanoseconds = tasks.map((task) =>
    Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]),
  );
  return nanoseconds.reduce((sum, value) => sum + value, 0) / 1e6;
}

/** Of each process, in milliseconds so far. */
export type CpuTimes = { atMs: number; ms: Record<string, number> };

export function cpuTimes(pids: Readonly<Record<string, number>>): CpuTimes {
  const ms = Object.fromEntries(Object.entries(pids).map(([name, pid]) => [name, cpuMs(pid)]));
  return { ms, atMs: monotonicMs() };
}

/** Of one core, from the one time to the other. */
export function cpuPercent(before: CpuTimes, after: CpuTimes): Record<string, number> {
  const passedMs = after.atMs - before.atMs;
  return Object.fromEntries(
    Object.entries(after.ms).map(([name, ms]) => [
      name,
      (100 * (ms - (before.ms[name] ?? 0))) / passedMs,
    ]),
  );
}

export type Memory = { pssMb: number; privateDirtyMb: number };

export function memory(pid: number): Memory {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const megabytes = (key: string): number =>
    Number(new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? Number.NaN) / 1024;
  return { pssMb: megabytes('Pss'), privateDirtyMb: megabytes('Private_Dirty') };
}

/** It goes up and down with the collections of a heap: one look says little. */
const watchMs = 20_000;

/** Looks at the private dirty memory of each process now and then, until stop(). */
export class MemoryWatch {
  /** In MB, in the order of time. */
  readonly dirtyMb: Readonly<Record<string, number[]>>;
  readonly #pids: Readonly<Record<string, number>>;
  readonly #timer: NodeJS.Timeout;

  constructor(pids: Readonly<Record<string, number>>) {
    this.#pids = pids;
    this.dirtyMb = Object.fromEntries(Object.keys(pids).map((name) => [name, []]));
    this.#look();
    this.#timer = setInterval(() => this.#look(), watchMs);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    for (const [name, pid] of Object.entries(this.#pids)) {
      this.dirtyMb[name]?.push(memory(pid).privateDirtyMb);
    }
  }
}

const pageBytes = 4_096;
/** Of an entry of /proc/PID/pagemap (man 5 proc_pid_pagemap), its highest byte. */
const present = 0x80;
const ofFile = 0x20;

/**
 * What some processes have in memory together, in MB, as if nobody else mapped the same files: a
 * page of a file counts once, whoever of them has it.
 */
export function togetherMb(pids: readonly number[]): number {
  const filePages = new Set<string>();
  let ownPages = 0;
  for (const pid of pids) {
    const pagemap = openSync(`/proc/${pid}/pagemap`, 'r');
    for (const mapping of mappings(pid)) {
      for (const [page, flags] of pagesOf(mapping, pagemap)) {
        if ((flags & ofFile) === 0) ownPages += 1;
        else filePages.add(`${mapping.file} ${mapping.firstPage + page}`);
      }
    }
    closeSync(pagemap);
  }
  return ((ownPages + filePages.size) * pageBytes) / 1024 ** 2;
}

/** Those that are in memory: their number in the mapping, and their flags. */
function* pagesOf({ start, end }: Mapping, pagemap: number): Generator<[number, number]> {
  const entries = Buffer.alloc(((end - start) / pageBytes) * 8);
  const bytes = readSync(pagemap, entries, 0, entries.length, (start / pageBytes) * 8);
  for (let at = 7; at < bytes; at += 8) {
    const flags = entries[at] ?? 0;
    if ((flags & present) !== 0) yield [at >> 3, flags];
  }
}

type Mapping = { start: number; end: number; file: string; firstPage: number };

function mappings(pid: number): Mapping[] {
  const lines = readFileSync(`/proc/${pid}/maps`, 'utf8').trimEnd().split('\n');
  return lines
    .filter((line) => !line.endsWith('[vsyscall]'))
    .map((line) => {
      const [range = '', , offset = '', device = '', inode = ''] = line.split(/\s+/);
      const [start = 0, end = 0] = range.split('-').map((hex) => Number.parseInt(hex, 16));
      const firstPage = Number.parseInt(offset, 16) / pageBytes;
      return { start, end, file: `${device} ${inode}`, firstPage };
    });
}
