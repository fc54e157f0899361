import { inRepository } from './repository.js';
import { TestProcess } from './TestProcess.js';

/** Leaves a process a small share of its CPU, in pieces, as a busy device would. */
export class CpuThief {
  readonly #pid: number;
  readonly #process: TestProcess;

  constructor(pid: number, { stoppedMs, runningUs }: { stoppedMs: number; runningUs: number }) {
    this.#pid = pid;
    const args = [inRepository('test/helpers/cpuThief.mjs'), pid, stoppedMs, runningUs];
    this.#process = new TestProcess('CPU thief', process.execPath, args.map(String), process.env);
  }

  /** The process has all of its CPU again. */
  async stop(): Promise<void> {
    await this.#process.stop('SIGKILL');
    process.kill(this.#pid, 'SIGCONT');
  }
}
