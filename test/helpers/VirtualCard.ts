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
  /** CLOCK_MONOTONIC at which `position` holds. */
  monotonicNs: number;
  position: number;
  plugged: boolean;
  playback: CardSide;
  capture: CardSide;
};

/** A virtual sound card by name, in a folder of cards of its own. */
export class VirtualCard {
  readonly name: string;
  /** For a program that opens the card. */
  readonly env: NodeJS.ProcessEnv;

  constructor(name: string, folder: string) {
    this.name = name;
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

  /** Runs `kvm-audio-card NAME …`: create, xrun, unplug, replug and so on. */
  async control(...args: string[]): Promise<string> {
    const { stdout } = await run(command, [this.name, ...args], { env: this.env });
    return stdout;
  }

  async status(): Promise<CardStatus> {
    return JSON.parse(await this.control('status', '--json')) as CardStatus;
  }
}
