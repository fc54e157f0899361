import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { withVirtualCard } from '@kvm-audio/native-alsa/virtualCard';
import { inRepository } from './repository.js';

const run = promisify(execFile);
const command = inRepository('native-alsa/build/virtual-card/kvm-audio-card');

/** One direction of a card. Positions count the card's frames, whoever uses it. */
export type CardSide = {
  open: boolean;
  pid: number;
  state: string;
  position: number;
  /** Of the first frame of the stream that is open, or was the last. */
  start: number;
  /** Of the frame that its program moves next. */
  appl: number;
  rate: number;
  period: number;
  buffer: number;
  /** Since the card was made. */
  xruns: number;
};

export type CardStatus = {
  rate: number;
  channels: number;
  /** How much its clock is fast. */
  skewPpm: number;
  /** CLOCK_MONOTONIC at which `position` holds. */
  monotonicNs: number;
  position: number;
  plugged: boolean;
  playback: CardSide;
  capture: CardSide;
};

/** What a card is made as. */
export type CardShape = {
  rate: number;
  channels: number;
  format: 'S16_LE' | 'S32_LE' | 'S24_LE' | 'S24_3LE';
};

/** A virtual sound card by name, in a folder of cards of its own. */
export class VirtualCard {
  readonly name: string;
  /** For a program that opens the card. */
  readonly env: NodeJS.ProcessEnv;
  readonly #shape: CardShape | undefined;

  /** @param shape for create(), where it is not the usual one. */
  constructor(name: string, folder: string, shape?: CardShape) {
    this.name = name;
    this.#shape = shape;
    this.env = withVirtualCard({ ...process.env, KVM_AUDIO_CARD_DIR: folder });
  }

  /** The card as it is, for programs that open it with exactly its own shape. */
  get pcm(): string {
    return `kvm_card:${this.name}`;
  }

  /** With conversions. */
  get plug(): string {
    return `kvm_plug:${this.name}`;
  }

  /** For who is at its other end, in the usual format: converted where the card has another. */
  get farPcm(): string {
    return this.#shape ? this.plug : this.pcm;
  }

  /** Makes it in its shape; one of the usual shape is made by who opens it. */
  async create(): Promise<void> {
    if (!this.#shape) return;
    const { rate, channels, format } = this.#shape;
    await this.control(
      ...['create', '--rate', String(rate), '--channels', String(channels), '--format', format],
    );
  }

  /** Runs `kvm-audio-card NAME …`: create, xrun, unplug, replug and so on. */
  async control(...args: string[]): Promise<string> {
    const { stdout } = await run(command, [this.name, ...args], { env: this.env });
    return stdout;
  }

  /** What amixer shows of its pitch control; 1,000,000 is nominal. */
  async pitch(): Promise<number> {
    const element = "iface=PCM,name='Playback Pitch 1000000'";
    const { stdout } = await run('amixer', ['-D', this.pcm, 'cget', element], { env: this.env });
    return Number(/: values=(\d+)/.exec(stdout)?.[1]);
  }

  async status(): Promise<CardStatus> {
    return JSON.parse(await this.control('status', '--json')) as CardStatus;
  }
}
