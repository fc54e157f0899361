import { machine } from '@kvm-audio/native-alsa/sys';
import type { ProcessUsage } from '@kvm-audio/protocol';
import { type ProcessStat, ProcessStatFile } from './ProcessStatFile.js';

/** With ticks of 10 ms, one is 1 % of this. */
const cadenceMs = 1_000;

type OpenStat = (pid: number) => Pick<ProcessStatFile, 'read' | 'close'>;

type Watched = {
  file: ReturnType<OpenStat>;
  stat: ProcessStat | undefined;
  atMs: number;
  usage: ProcessUsage | null;
};

/**
 * CPU and memory of the daemon's processes: the supervisor alone reads them, once a second; all
 * others look at what it has. A process that is gone, or was replaced by another with the same id,
 * leaves nothing of its figures.
 */
export class ProcessMonitor {
  readonly #pids: () => readonly number[];
  readonly #open: OpenStat;
  readonly #machine = machine();
  readonly #watched = new Map<number, Watched>();
  #timer: NodeJS.Timeout | undefined;

  /** @param pids the processes that are there now. `open` is given in tests. */
  constructor(pids: () => readonly number[], open: OpenStat = (pid) => new ProcessStatFile(pid)) {
    this.#pids = pids;
    this.#open = open;
  }

  start(): void {
    this.sample(performance.now());
    this.#timer = setInterval(() => this.sample(performance.now()), cadenceMs);
  }

  /** Idempotent. Nothing is known of any process afterwards. */
  stop(): void {
    clearInterval(this.#timer);
    for (const pid of this.#watched.keys()) this.#forget(pid);
  }

  /** Nil where it was not there at the last sample. */
  usageOf(pid: number | null): ProcessUsage | null {
    return (pid !== null && this.#watched.get(pid)?.usage) || null;
  }

  sample(nowMs: number): void {
    const pids = this.#pids();
    for (const pid of this.#watched.keys()) if (!pids.includes(pid)) this.#forget(pid);
    for (const pid of pids) this.#look(pid, nowMs);
  }

  #look(pid: number, nowMs: number): void {
    const watched = this.#watched.get(pid) ?? this.#watch(pid);
    if (!watched) return;
    const stat = watched.file.read();
    if (!stat) {
      this.#forget(pid);
      return;
    }
    watched.usage = this.#usage(stat, nowMs, watched);
    watched.stat = stat;
    watched.atMs = nowMs;
  }

  #watch(pid: number): Watched | undefined {
    try {
      const watched = { file: this.#open(pid), stat: undefined, atMs: 0, usage: null };
      this.#watched.set(pid, watched);
      return watched;
    } catch {
      return undefined; // it has ended
    }
  }

  #forget(pid: number): void {
    this.#watched.get(pid)?.file.close();
    this.#watched.delete(pid);
  }

  #usage(stat: ProcessStat, nowMs: number, { stat: before, atMs }: Watched): ProcessUsage {
    const { pageBytes, ticksPerSecond, memoryBytes } = this.#machine;
    const residentBytes = stat.residentPages * pageBytes;
    const memoryPercent = (100 * residentBytes) / memoryBytes;
    const elapsedMs = nowMs - atMs;
    if (!before || elapsedMs <= 0) return { cpuPercent: null, memoryPercent, residentBytes };
    const cpuMs = (1_000 * (stat.cpuTicks - before.cpuTicks)) / ticksPerSecond;
    return { cpuPercent: (100 * cpuMs) / elapsedMs, memoryPercent, residentBytes };
  }
}
