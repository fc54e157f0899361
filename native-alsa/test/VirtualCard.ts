import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import vm from 'node:vm';

const run = promisify(execFile);
const repository = fileURLToPath(new URL('../../', import.meta.url));
const built = path.join(repository, 'native-alsa/build/virtual-card');

/** What `kvm-audio-card NAME status --json` says of one side. Positions in frames of the card. */
export type SideStatus = {
  open: boolean;
  state: string;
  position: number;
  start: number;
  appl: number;
  xruns: number;
};

export type CardStatus = {
  rate: number;
  pitchPpm: number;
  monotonicNs: number;
  position: number;
  playback: SideStatus;
  capture: SideStatus;
};

/** What a card is made as. */
export type CardShape = {
  rate: number;
  channels: number;
  format: 'S16_LE' | 'S32_LE' | 'S24_LE' | 'S24_3LE';
};

/** Of one sample in memory. */
export const sampleBytes = { S16_LE: 2, S32_LE: 4, S24_LE: 4, S24_3LE: 3 } as const;

const usualShape: CardShape = { rate: 48_000, channels: 2, format: 'S16_LE' };

/** Interleaved S16 stereo frames whose values tell where they stand; no frame is silent. */
export function pattern(frames: number, first = 0): Int16Array {
  const pcm = new Int16Array(2 * frames);
  for (let i = 0; i < frames; i++) {
    const value = (((first + i) * 7919) % 30011) + 1;
    pcm[2 * i] = value;
    pcm[2 * i + 1] = -value;
  }
  return pcm;
}

/**
 * A virtual sound card in a folder of its own. alsa-lib reads the environment of the process,
 * of which jest shows a test only a copy: hence the detour over the main context.
 */
export class VirtualCard {
  readonly device = 'kvm_card:test';
  readonly plug = 'kvm_plug:test';
  readonly folder = mkdtempSync(path.join(tmpdir(), 'kvm-audio-card-'));
  readonly env: NodeJS.ProcessEnv;
  readonly shape: CardShape;

  /** @param shape for create(), and for what play() and record() are given and give. */
  constructor(shape: CardShape = usualShape) {
    this.shape = shape;
    const card = {
      ALSA_CONFIG_PATH: path.join(repository, 'etc/alsa/virtual-card.conf'),
      KVM_AUDIO_CARD_LIB: path.join(built, 'libasound_module_pcm_kvm_audio_card.so'),
      KVM_AUDIO_CARD_DIR: this.folder,
    };
    this.env = { ...process.env, ...card };
    const main = vm.runInThisContext('process') as NodeJS.Process;
    Object.assign(main.env, card);
  }

  /** Runs `kvm-audio-card test ...`. */
  async control(...words: string[]): Promise<string> {
    const command = path.join(built, 'kvm-audio-card');
    const { stdout } = await run(command, ['test', ...words], { env: this.env });
    return stdout;
  }

  /** Makes it in its shape. */
  async create(): Promise<void> {
    const { rate, channels, format } = this.shape;
    await this.control(
      ...['create', '--rate', String(rate), '--channels', String(channels), '--format', format],
    );
  }

  /** The pitch control as amixer shows it, set before where a value is given. */
  async amixerPitch(value?: number): Promise<number> {
    const element = "iface=PCM,name='Playback Pitch 1000000'";
    const command = value === undefined ? ['cget', element] : ['cset', element, String(value)];
    const { stdout } = await run('amixer', ['-D', this.device, ...command], { env: this.env });
    return Number(/: values=(\d+)/.exec(stdout)?.[1]);
  }

  get #rawArgs(): string[] {
    const { rate, channels, format } = this.shape;
    return ['-t', 'raw', '-f', format, '-c', String(channels), '-r', String(rate)];
  }

  async status(): Promise<CardStatus> {
    return JSON.parse(await this.control('status', '--json')) as CardStatus;
  }

  /** Plays samples, as the card has them, with aplay, to their end. */
  async play(pcm: Int16Array | Uint8Array): Promise<void> {
    const file = path.join(this.folder, 'played.raw');
    writeFileSync(file, Buffer.from(pcm.buffer, pcm.byteOffset, pcm.byteLength));
    await run('aplay', ['-q', '-D', this.device, ...this.#rawArgs, file], { env: this.env });
  }

  /** Starts arecord; stop() waits for so many frames and returns what was heard. */
  async record(): Promise<{ start: number; stop: (frames: number) => Promise<Int16Array> }> {
    const { start, stop } = await this.recordBytes();
    return {
      start,
      stop: async (frames) => {
        const bytes = await stop(frames);
        return new Int16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >> 1);
      },
    };
  }

  /** The same, with the samples as the card has them. */
  async recordBytes(): Promise<{ start: number; stop: (frames: number) => Promise<Buffer> }> {
    const file = path.join(this.folder, 'recorded.raw');
    const arecord = spawn('arecord', ['-q', '-D', this.device, ...this.#rawArgs, file], {
      env: this.env,
      stdio: 'ignore',
    });
    const ended = new Promise((resolve) => arecord.once('exit', resolve));
    await until(async () => (await this.status()).capture.state === 'RUNNING');
    const { start } = (await this.status()).capture;
    const frameBytes = this.shape.channels * sampleBytes[this.shape.format];
    const stop = async (frames: number): Promise<Buffer> => {
      await until(() => statSync(file).size >= frameBytes * frames);
      arecord.kill('SIGINT');
      await ended;
      return readFileSync(file);
    };
    return { start, stop };
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** How long until() waits for what does not come. A test's own limit must be longer. */
const UNTIL_MS_MAX = 15_000;

/** Waits for a condition. The limit is far beyond what a busy machine needs. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const limit = performance.now() + UNTIL_MS_MAX;
  while (!(await condition())) {
    if (performance.now() > limit) throw new Error(`in vain: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** How many threads of this process serve an ALSA device. */
export function deviceThreads(): number {
  return readdirSync('/proc/self/task').filter((task) => threadName(task).startsWith('alsa-'))
    .length;
}

function threadName(task: string): string {
  try {
    return readFileSync(`/proc/self/task/${task}/comm`, 'utf8');
  } catch {
    return ''; // it ended just now
  }
}
