import { type ChildProcess, spawn } from 'node:child_process';
import { NeverError } from './waitFor.js';

/** Ten minutes of a daemon's log at level debug, on a busy machine. */
const outputCharsMax = 512 * 1024;
const stopMs = 20_000;

export type ProcessEnd = { code: number | null; signal: NodeJS.Signals | null };

/** A child process of a test: keeps the end of what it says, and is never left behind. */
export class TestProcess {
  readonly name: string;
  readonly ended: Promise<ProcessEnd>;
  readonly #child: ChildProcess;
  #output = '';
  #end: ProcessEnd | undefined;

  /** @param stderr a descriptor that becomes its standard error, which is then not kept. */
  constructor(
    name: string,
    command: string,
    args: readonly string[],
    env: NodeJS.ProcessEnv,
    stderr: number | 'pipe' = 'pipe',
  ) {
    this.name = name;
    this.#child = spawn(command, args, { stdio: ['ignore', 'pipe', stderr], env });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#output = (this.#output + text).slice(-outputCharsMax);
      });
    }
    this.ended = new Promise((resolve, reject) => {
      this.#child.once('error', reject);
      this.#child.once('exit', (code, signal) => {
        this.#end = { code, signal };
        resolve(this.#end);
      });
    });
    // Who waits for the end hears of a failed start; who does not is not ended by it.
    this.ended.catch(() => undefined);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get running(): boolean {
    return this.#end === undefined && this.#child.pid !== undefined;
  }

  /** The end of what it wrote to its standard output and error. */
  get output(): string {
    return this.#output;
  }

  /** Throws where the process has ended: to be called by who waits for it to do something. */
  assertRunning(): void {
    if (this.running) return;
    throw new NeverError(`${this.name} has ended (${JSON.stringify(this.#end)}):\n${this.#output}`);
  }

  /** @throws where it has not ended in time; then it is killed. */
  async stop(signal: NodeJS.Signals = 'SIGTERM', timeoutMs = stopMs): Promise<ProcessEnd> {
    this.#child.kill(signal);
    let killed = false;
    const timer = setTimeout(() => {
      killed = true;
      this.#child.kill('SIGKILL');
    }, timeoutMs);
    const end = await this.ended.finally(() => clearTimeout(timer));
    if (!killed) return end;
    throw new Error(`${this.name} did not end ${timeoutMs} ms after ${signal}:\n${this.#output}`);
  }
}
