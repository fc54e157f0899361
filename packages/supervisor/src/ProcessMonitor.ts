import { machine } from '@kvm-audio/native-alsa/sys';
import type { ProcessUsage } from '@kvm-audio/protocol';
import { ProcessFigures, type ProcessTaken } from './ProcessFigures.js';

type OpenFigures = (pid: number) => Pick<ProcessFigures, 'read' | 'close'>;

type Watched = {
  figures: ReturnType<OpenFigures>;
  taken: ProcessTaken | undefined;
  atMs: number;
  usage: ProcessUsage | null;
};

/** Over less a figure of CPU says what a process does now, and not what it takes. */
const apartMsMin = 500;

/**
 * CPU and memory of the daemon's processes: the supervisor alone reads them, now and then; all
 * others look at what it has. A process that is gone, or was replaced by another with the same id,
 * leaves nothing of its figures.
 */
export class ProcessMonitor {
  readonly #pids: () => readonly number[];
  readonly #open: OpenFigures;
  readonly #machine = machine();
  readonly #watched = new Map<number, Watched>();

  /** @param pids the processes that are there now. `open` is given in tests. */
  constructor(pids: () => readonly number[], open: OpenFigures = (pid) => new ProcessFigures(pid)) {
    this.#pids = pids;
    this.#open = open;
  }

  /** Idempotent. Nothing is known of any process afterwards. */
  stop(): void {
    for (const pid of this.#watched.keys()) this.#forget(pid);
  }

  /** Nil where it was not there at the last sample. */
  usageOf(pid: number | null): ProcessUsage | null {
    return (pid !== null && this.#watched.get(pid)?.usage) || null;
  }

  sample(nowMs: number): void {
    const pids = this.#pids();
    for (const pid of this.#watched.keys()) if (!pids.includes(pid)) this.#forget(pid);
    for (const pid of pids) this.look(pid, nowMs);
  }

  /** At one that is new, so that something is known of it before the next sample. */
  look(pid: number, nowMs: number): void {
    const watched = this.#watched.get(pid) ?? this.#watch(pid);
    if (!watched || (watched.taken && nowMs - watched.atMs < apartMsMin)) return;
    const taken = watched.figures.read();
    if (!taken) {
      this.#forget(pid);
      return;
    }
    watched.usage = this.#usage(taken, nowMs, watched);
    watched.taken = taken;
    watched.atMs = nowMs;
  }

  #watch(pid: number): Watched | undefined {
    try {
      const watched = { figures: this.#open(pid), taken: undefined, atMs: 0, usage: null };
      this.#watched.set(pid, watched);
      return watched;
    } catch {
      return undefined; // it has ended
    }
  }

  #forget(pid: number): void {
    this.#watched.get(pid)?.figures.close();
    this.#watched.delete(pid);
  }

  #usage(taken: ProcessTaken, nowMs: number, { taken: before, atMs }: Watched): ProcessUsage {
    const { pageBytes, memoryBytes } = this.#machine;
    const residentBytes = taken.residentPages * pageBytes;
    const memoryPercent = (100 * residentBytes) / memoryBytes;
    const elapsedMs = nowMs - atMs;
    if (!before || elapsedMs <= 0) return { cpuPercent: null, memoryPercent, residentBytes };
    const cpuPercent = (100 * (taken.cpuMs - before.cpuMs)) / elapsedMs;
    return { cpuPercent, memoryPercent, residentBytes };
  }
}
