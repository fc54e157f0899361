import { allowedCores, keepOnCores } from './cores.js';
import { inRepository } from './repository.js';
import { TestProcess } from './TestProcess.js';

/**
 * Runs a process on one core only, beside somebody who takes that core again and again, and whom
 * only its device thread can interrupt. Needs to be root: it is of a real-time class.
 */
export class CpuHog {
  readonly #pid: number;
  readonly #cores = allowedCores();
  readonly #process: TestProcess;

  constructor(pid: number, { busyMs, idleMs }: { busyMs: number; idleMs: number }) {
    this.#pid = pid;
    const core = String(Number.parseInt(this.#cores, 10));
    keepOnCores(pid, core);
    const hog = [process.execPath, inRepository('test/helpers/cpuHog.mjs'), busyMs, idleMs];
    const args = ['-c', core, 'chrt', '-f', '1', ...hog.map(String)];
    this.#process = new TestProcess('CPU hog', 'taskset', args, process.env);
  }

  /** The process has all cores, and to itself. */
  async stop(): Promise<void> {
    await this.#process.stop('SIGKILL');
    keepOnCores(this.#pid, this.#cores);
  }
}
