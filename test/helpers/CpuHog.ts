import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { inRepository } from './repository.js';
import { TestProcess } from './TestProcess.js';

/**
 * Runs a process on one core only, beside somebody who takes that core again and again, and whom
 * only its device thread can interrupt. Needs to be root: it is of a real-time class.
 */
export class CpuHog {
  readonly #pid: number;
  readonly #cores: string;
  readonly #process: TestProcess;

  constructor(pid: number, { busyMs, idleMs }: { busyMs: number; idleMs: number }) {
    this.#pid = pid;
    this.#cores = /^Cpus_allowed_list:\s+(\S+)/m.exec(
      readFileSync('/proc/self/status', 'utf8'),
    )![1]!;
    const core = String(Number.parseInt(this.#cores, 10));
    execFileSync('taskset', ['-a', '-c', '-p', core, String(pid)]);
    const hog = [process.execPath, inRepository('test/helpers/cpuHog.mjs'), busyMs, idleMs];
    const args = ['-c', core, 'chrt', '-f', '1', ...hog.map(String)];
    this.#process = new TestProcess('CPU hog', 'taskset', args, process.env);
  }

  /** The process has all cores, and to itself. */
  async stop(): Promise<void> {
    await this.#process.stop('SIGKILL');
    execFileSync('taskset', ['-a', '-c', '-p', this.#cores, String(this.#pid)]);
  }
}
