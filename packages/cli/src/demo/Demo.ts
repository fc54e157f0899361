import { type ChildProcess, spawn } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type DaemonStatus, runtimeFolder } from '@kvm-audio/client';
import {
  isSameVirtualCard,
  isVirtualCard,
  withVirtualCard,
} from '@kvm-audio/native-alsa/virtualCard';
import { askDaemon } from '../askDaemon.js';
import { Bridge } from '../Bridge.js';
import { BridgeLog } from '../BridgeLog.js';
import { formatStatusLine } from '../formatStatus.js';
import { makeDemoFolder } from './demoFolder.js';
import { inFlags } from './inFlags.js';
import { makeProgramme, programmeFormat } from './programme.js';

export type DemoOptions = {
  input?: string | undefined;
  output?: string | undefined;
  quality: string;
};

const repository = new URL('../../../../', import.meta.url);
const daemonPath = fileURLToPath(new URL('packages/supervisor/bin/kvm-audiod.js', repository));
const statusMs = 1_000;
const retryMs = 5_000;
/** The daemon answers within this, or something is wrong. */
const startMs = 10_000;

function configText({ input, output, quality }: DemoOptions): string {
  const line = (key: string, value: string | undefined): string =>
    value === undefined ? '' : `${key} = ${JSON.stringify(value)}\n`;
  // The daemon writes to this process, and cannot see who reads it.
  const log = process.stderr.isTTY ? 'text' : 'json';
  return (
    `[log]\nformat = "${log}"\n[output]\n${line('device', output)}${line('quality', quality)}` +
    `[input]\nprofile = "program"\n${line('device', input)}${line('quality', quality)}`
  );
}

/**
 * A daemon in the foreground with a bridge from its input to its output, and, where the input is
 * the virtual card, a programme that plays into it. For a person who wants to see it work.
 */
export class Demo {
  readonly #options: DemoOptions;
  readonly #folder = makeDemoFolder(tmpdir());
  readonly #children: ChildProcess[] = [];
  #bridge: Bridge | undefined;
  #timer: NodeJS.Timeout | undefined;
  #retryTimer: NodeJS.Timeout | undefined;
  #programme: Buffer | undefined;
  #stopping = false;

  constructor(options: DemoOptions) {
    this.#options = options;
  }

  /** @returns the exit code, when the daemon has ended. */
  async run(): Promise<number> {
    process.env.KVM_AUDIO_RUNTIME_DIR ??= this.#folder;
    const config = join(this.#folder, 'config.toml');
    writeFileSync(config, configText(this.#options));
    // Its standard input ends with this process, however that ends; nothing is ever written there.
    const daemon = spawn(daemonPath, ['--config', config, '--until-stdin-ends'], {
      stdio: ['pipe', 'inherit', 'pipe'],
      detached: true,
    });
    this.#children.push(daemon);
    createInterface({ input: daemon.stderr }).on('line', (line) =>
      process.stderr.write(`${inFlags(line, config)}\n`),
    );
    const ended = new Promise<number>((resolve) => {
      // All that it has said was read then.
      daemon.once('close', (code, signal) => {
        if (signal && !this.#stopping) console.error(`the daemon was killed (${signal})`);
        // Stopped before it can say how it ends, it ended as it was told.
        resolve(code ?? (this.#stopping ? 0 : 1));
      });
    });
    try {
      const status = await Promise.race([this.#ready(daemon), ended.then(() => undefined)]);
      if (status && !this.#stopping) this.#begin(status);
      return await ended;
    } finally {
      this.#cleanUp();
    }
  }

  /** Ctrl-C: the daemon is asked to stop, `run` returns when it has. Idempotent. */
  stop(): void {
    this.#stopping = true;
    clearInterval(this.#timer);
    clearTimeout(this.#retryTimer);
    this.#bridge?.close();
    for (const child of this.#children) child.kill('SIGTERM');
  }

  async #ready(daemon: ChildProcess): Promise<DaemonStatus> {
    const deadline = performance.now() + startMs;
    for (;;) {
      try {
        const status = await askDaemon((control) => control.call('status.get', {}));
        if (status.pid !== daemon.pid) throw new Error('another daemon runs in this folder');
        if (status.output.stream && status.input.stream) return status;
      } catch (error) {
        if (performance.now() > deadline) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  #begin(status: DaemonStatus): void {
    const input = status.input.stream?.device ?? '';
    const output = status.output.stream?.device ?? '';
    console.log(`input ${input} is bridged to output ${output}; Ctrl-C stops`);
    console.log('from another terminal:');
    console.log(`  export KVM_AUDIO_RUNTIME_DIR='${runtimeFolder()}'`);
    console.log('  node_modules/.bin/kvm-audioctl status');
    if (isSameVirtualCard(input, output)) {
      console.log(
        'both are one card, and the output plays into it: the built-in programme does not',
      );
    } else if (isVirtualCard(input)) {
      this.#playProgramme(input);
    }
    const log = new BridgeLog((line) => {
      if (!this.#stopping) console.error(`bridge: ${line}`);
    });
    this.#bridge = new Bridge({
      connected: (side) => log.connected(side),
      disconnected: (side, error) => log.disconnected(side, error),
      replaced: (by) =>
        console.error(`bridge: another source took over: ${by}; it is not bridged any more`),
    });
    this.#timer = setInterval(() => void this.#printStatus(), statusMs);
  }

  /** The host's sound: `aplay` on the same card, from samples that never end. */
  #playProgramme(device: string): void {
    const { rate, channels } = programmeFormat;
    const shape = ['-t', 'raw', '-f', 'S16_LE', '-r', String(rate), '-c', String(channels)];
    const player = spawn('aplay', ['-q', '-D', device, ...shape, '-'], {
      stdio: ['pipe', 'ignore', 'pipe'],
      detached: true,
      env: withVirtualCard(process.env),
    });
    this.#children.push(player);
    // What it says about being stopped by us is no news.
    player.stderr.setEncoding('utf8').on('data', (text: string) => {
      // Nor that it ran dry while its card stood still; of how long it has no right idea.
      if (!this.#stopping && !text.startsWith('underrun!!!')) process.stderr.write(text);
    });
    player.once('error', (error) => {
      console.error(`the programme cannot be played: ${error.message} (Debian: alsa-utils)`);
    });
    // Made once, before anything is bridged: it holds this process for a third of a second.
    this.#programme ??= Buffer.from(makeProgramme().buffer);
    const bytes = this.#programme;
    const feed = (error?: Error | null): void => {
      if (!error && !this.#stopping) player.stdin.write(bytes, feed);
    };
    player.stdin.on('error', () => undefined);
    player.once('exit', (code, signal) => {
      if (this.#stopping) return;
      console.error(`the programme has ended (aplay: ${signal ?? code}); it is tried again`);
      // A card that was unplugged may be there again.
      this.#retryTimer = setTimeout(() => this.#playProgramme(device), retryMs);
    });
    feed();
    console.log('the built-in programme plays into the virtual card');
  }

  async #printStatus(): Promise<void> {
    try {
      const status = await askDaemon((control) => control.call('status.get', {}));
      const clock = new Date().toTimeString().slice(0, 8);
      const line = formatStatusLine(status, `${clock}  `, process.stdout.columns);
      if (!this.#stopping) console.log(line);
    } catch (error) {
      if (!this.#stopping) console.error((error as Error).message);
    }
  }

  #cleanUp(): void {
    this.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
