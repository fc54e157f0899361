import { strict as assert } from 'node:assert';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  ControlClient,
  type DaemonStatus,
  type Direction,
  directions,
  socketPath,
} from '@kvm-audio/client';
import type { Config } from '@kvm-audio/daemon';
import type { ControlMethods, ParamsOf, PipelineReport, ResultOf } from '@kvm-audio/protocol';
import { inRepository } from './repository.js';
import { TestProcess } from './TestProcess.js';
import { type CardShape, VirtualCard } from './VirtualCard.js';
import { waitFor } from './waitFor.js';

const daemonPath = inRepository('packages/supervisor/bin/kvm-audiod.js');
const controlPath = inRepository('packages/cli/bin/kvm-audioctl.js');
const sharedMemory = '/dev/shm';

/** Keys of the configuration file that differ from their defaults. */
export type ConfigChanges = { [Section in keyof Config]?: Partial<Config[Section]> };

export type TestDaemonOptions = {
  config?: ConfigChanges;
  env?: NodeJS.ProcessEnv;
  /** Of another daemon, where two meet; else one of its own. */
  runtimeFolder?: string;
  /** A descriptor for its standard error; then `log` is empty. */
  stderr?: number;
  /** Cards that are not there yet when it starts. */
  unplugged?: readonly Direction[];
  /** Cards that have the pitch control of a USB gadget. */
  pitched?: readonly Direction[];
  /** Cards that are not of the usual shape. */
  shapes?: Partial<Record<Direction, CardShape>>;
};

type Cards = Record<Direction, VirtualCard>;

/**
 * The built daemon as a process, with its own sockets and its own two virtual cards: what is
 * played on `inputCard` goes into the input pipeline, what the output pipeline plays comes out of
 * `outputCard`. A test that started one stops it, whatever happened: `stop` is in its `finally`.
 */
export class TestDaemon {
  readonly folder: string;
  readonly runtimeFolder: string;
  readonly inputCard: VirtualCard;
  readonly outputCard: VirtualCard;
  /** For clients of this daemon. */
  readonly env: NodeJS.ProcessEnv;
  readonly #process: TestProcess;
  readonly #clients: TestProcess[] = [];

  private constructor(folder: string, cards: Cards, options: TestDaemonOptions) {
    this.folder = folder;
    this.runtimeFolder = options.runtimeFolder ?? join(this.folder, 'run');
    this.inputCard = cards.input;
    this.outputCard = cards.output;
    this.env = {
      ...this.inputCard.env,
      ...options.env,
      KVM_AUDIO_RUNTIME_DIR: this.runtimeFolder,
    };
    const config = join(this.folder, 'config.toml');
    writeFileSync(config, this.#configText(options.config ?? {}));
    const args = ['--config', config];
    this.#process = new TestProcess('kvm-audiod', daemonPath, args, this.env, options.stderr);
  }

  /** Resolves when both pipelines run. */
  static async start(options: TestDaemonOptions = {}): Promise<TestDaemon> {
    // The cards are memory that processes share: on a disk they would stall with the disk.
    const parent = existsSync(sharedMemory) ? sharedMemory : tmpdir();
    const folder = mkdtempSync(join(parent, 'kvma-'));
    const cardFolder = join(folder, 'cards');
    const cards = {
      input: new VirtualCard('a', cardFolder, options.shapes?.input),
      output: new VirtualCard('b', cardFolder, options.shapes?.output),
    };
    for (const direction of directions) await cards[direction].create();
    for (const direction of options.pitched ?? []) await cards[direction].control('pitch', 'on');
    for (const direction of options.unplugged ?? []) await cards[direction].control('unplug');
    const daemon = new TestDaemon(folder, cards, options);
    try {
      await daemon.waitForStatus('running pipelines', (status) =>
        directions.every((direction) => status[direction].state === 'running'),
      );
      return daemon;
    } catch (error) {
      await daemon.#abandon();
      throw error;
    }
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** The end of its log. */
  get log(): string {
    return this.#process.output;
  }

  async call<M extends keyof ControlMethods & string>(
    method: M,
    params: ParamsOf<ControlMethods, M>,
  ): Promise<ResultOf<ControlMethods, M>> {
    const path = socketPath(this.runtimeFolder, 'control');
    const control = await ControlClient.open({ path, client: 'test' });
    try {
      return await control.call(method, params);
    } finally {
      control.close();
    }
  }

  status(): Promise<DaemonStatus> {
    return this.call('status.get', {});
  }

  /** @returns the first status that is as wanted. */
  async waitForStatus(
    what: string,
    wanted: (status: DaemonStatus) => boolean,
    timeoutMs = 30_000,
  ): Promise<DaemonStatus> {
    let last: DaemonStatus | undefined;
    const look = async (): Promise<DaemonStatus | false> => {
      this.#process.assertRunning();
      last = await this.status();
      return wanted(last) && last;
    };
    try {
      return await waitFor(what, look, timeoutMs);
    } catch (error) {
      throw new Error(`${(error as Error).message}\n${JSON.stringify(last)}\n${this.log}`);
    }
  }

  /** @returns a report of each pipeline that was made from now on; both have to stream. */
  async freshReports(): Promise<readonly PipelineReport[]> {
    const received = (status: DaemonStatus): number[] =>
      directions.map((direction) => status[direction].stream?.framesReceived ?? 0);
    const seen = received(await this.status());
    const fresh = await this.waitForStatus('new report of both pipelines', (status) =>
      received(status).every((frames, i) => frames > (seen[i] ?? 0)),
    );
    return directions.flatMap((direction) => fresh[direction].stream ?? []);
  }

  /** `kvm-audioctl bridge`, whatever becomes of it. */
  startBridge(): TestProcess {
    const bridge = this.#node('kvm-audioctl bridge', controlPath, ['bridge']);
    this.#clients.push(bridge);
    return bridge;
  }

  /** The same; resolves when audio goes all the way round. */
  async bridge(): Promise<TestProcess> {
    const before = (await this.status()).output.stream?.framesReceived ?? 0;
    const bridge = this.startBridge();
    await this.waitForStatus('bridged audio', ({ input, output }) => {
      bridge.assertRunning();
      const arrived = (output.stream?.framesReceived ?? 0) > before;
      return input.stream?.state === 'running' && output.stream?.state === 'running' && arrived;
    });
    return bridge;
  }

  /** Stops the clients, then the daemon, and asserts that it ended well and left nothing behind. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    try {
      for (const client of this.#clients) await client.stop();
      this.#process.assertRunning();
      const end = await this.#process.stop(signal);
      assert.deepEqual(end, { code: 0, signal: null }, `the daemon did not end well:\n${this.log}`);
      const left = this.#leftovers().map(({ pid, command }) => `${pid} ${command}`);
      assert.equal(left.join('\n'), '', 'the daemon left processes behind');
      assert.equal(readdirSync(this.runtimeFolder).join(), '', 'the daemon left sockets behind');
    } finally {
      await this.#abandon();
    }
  }

  /** SIGKILL: the daemon has no chance to clean up. `discard` what is left of it. */
  async kill(): Promise<void> {
    await this.#process.stop('SIGKILL');
  }

  /** After a death that was meant: ends what is left, without any check. */
  async discard(): Promise<void> {
    await this.#abandon();
  }

  #configText(changes: ConfigChanges): string {
    const config: ConfigChanges = {
      ...changes,
      output: { device: this.outputCard.pcm, ...changes.output },
      input: { device: this.inputCard.pcm, ...changes.input },
    };
    const lines = Object.entries(config).flatMap(([section, keys]) => [
      `[${section}]`,
      // A JSON string, number or boolean is one of TOML too.
      ...Object.entries(keys).map(([key, value]) => `${key} = ${JSON.stringify(value)}`),
    ]);
    return `${lines.join('\n')}\n`;
  }

  #node(name: string, path: string, args: readonly string[]): TestProcess {
    return new TestProcess(name, process.execPath, [path, ...args], this.env);
  }

  /** Every process that has this daemon's folder in its environment. */
  #leftovers(): { pid: number; command: string }[] {
    const mark = `\0KVM_AUDIO_RUNTIME_DIR=${this.runtimeFolder}\0`;
    return readdirSync('/proc')
      .map(Number)
      .filter((pid) => pid > 0 && pid !== process.pid)
      .filter((pid) => `\0${readProcess(pid, 'environ')}`.includes(mark))
      .map((pid) => ({ pid, command: readProcess(pid, 'cmdline').replaceAll('\0', ' ').trim() }));
  }

  /** After the checks, or instead of them: nothing of this daemon is left, in no case. */
  async #abandon(): Promise<void> {
    for (const child of [...this.#clients, this.#process]) {
      if (child.running) await child.stop('SIGKILL');
    }
    for (const { pid } of this.#leftovers()) killQuietly(pid);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function readProcess(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has just ended.
  }
}
