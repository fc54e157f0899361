import { machine } from '@kvm-audio/native-alsa/sys';
import type { ProcessUsage } from '@kvm-audio/protocol';
import { type ProcessStat, readProcessStat } from './readProcessStat.js';

/** With ticks of 10 ms, one is 1 % of this. */
const cadenceMs = 1_000;

type Sample = { stat: ProcessStat; atMs: number; usage: ProcessUsage };

/**
 * CPU and memory of the daemon's processes: the supervisor alone reads them, once a second; all
 * others look at what it has. A process that is gone, or was replaced by another with the same id,
 * leaves nothing of its figures.
 */
export class ProcessMonitor {
  readonly #pids: () => readonly number[];
  readonly #read: (pid: number) => ProcessStat | undefined;
  readonly #machine = machine();
  #samples = new Map<number, Sample>();
  #timer: NodeJS.Timeout | undefined;

  /** @param pids the processes that are there now. `read` is given in tests. */
  constructor(pids: () => readonly number[], read = readProcessStat) {
    this.#pids = pids;
    this.#read = read;
  }

  start(): void {
    this.sample(performance.now());
    this.#timer = setInterval(() => this.sample(performance.now()), cadenceMs);
  }

  /** Idempotent. The last figures stay. */
  stop(): void {
    clearInterval(this.#timer);
  }

  /** Nil where it was not there at the last sample. */
  usageOf(pid: number | null): ProcessUsage | null {
    return (pid !== null && this.#samples.get(pid)?.usage) || null;
  }

  sample(nowMs: number): void {
    const before = this.#samples;
    this.#samples = new Map();
    for (const pid of this.#pids()) {
      const stat = this.#read(pid);
      if (!stat) continue;
      const usage = this.#usage(stat, nowMs, before.get(pid));
      this.#samples.set(pid, { stat, atMs: nowMs, usage });
    }
  }

  #usage(stat: ProcessStat, nowMs: number, before: Sample | undefined): ProcessUsage {
    const { pageBytes, ticksPerSecond, memoryBytes } = this.#machine;
    const residentBytes = stat.residentPages * pageBytes;
    const memoryPercent = (100 * residentBytes) / memoryBytes;
    const elapsedMs = before ? nowMs - before.atMs : 0;
    if (!before || before.stat.startTicks !== stat.startTicks || elapsedMs <= 0) {
      return { cpuPercent: null, memoryPercent, residentBytes };
    }
    const cpuMs = (1_000 * (stat.cpuTicks - before.stat.cpuTicks)) / ticksPerSecond;
    return { cpuPercent: (100 * cpuMs) / elapsedMs, memoryPercent, residentBytes };
  }
}
