import { readFileSync } from 'node:fs';
import { TestProcess } from './TestProcess.js';
import type { VirtualCard } from './VirtualCard.js';
import { waitFor } from './waitFor.js';

export const pcmFormat = { rate: 48_000, channels: 2 } as const;
const { rate, channels } = pcmFormat;
const shapeArgs = ['-t', 'raw', '-f', 'S16_LE', '-r', String(rate), '-c', String(channels)];
/** The largest that the virtual card has: a stall of these two programs is not to be heard. */
const bufferArgs = ['--buffer-time=1000000', '--period-time=100000'];

/** `aplay` of raw samples in `pcmFormat` on a card. Ends by itself. */
export function playOn(card: VirtualCard, file: string): TestProcess {
  const args = ['-q', '-D', card.farPcm, ...shapeArgs, ...bufferArgs, file];
  return new TestProcess('aplay', 'aplay', args, card.env);
}

/** `arecord` of what is played on a card, in `pcmFormat`. */
export class PcmRecording {
  readonly #card: VirtualCard;
  readonly #file: string;
  readonly #process: TestProcess;
  #startFrames = 0;
  #xrunsBefore = 0;

  private constructor(card: VirtualCard, file: string) {
    this.#card = card;
    this.#file = file;
    const args = ['-q', '-D', card.farPcm, ...shapeArgs, ...bufferArgs, file];
    this.#process = new TestProcess('arecord', 'arecord', args, card.env);
  }

  /** Resolves when it records. */
  static async start(card: VirtualCard, file: string): Promise<PcmRecording> {
    const recording = new PcmRecording(card, file);
    const { capture } = await waitFor('running recording', async () => {
      recording.#process.assertRunning();
      const status = await card.status();
      return status.capture.state === 'RUNNING' && status;
    });
    recording.#startFrames = capture.start;
    recording.#xrunsBefore = capture.xruns;
    return recording;
  }

  /** The card's position at the first recorded sample. */
  get startFrames(): number {
    return this.#startFrames;
  }

  /** Resolves when so much is recorded. */
  async waitFor(frames: number): Promise<void> {
    await waitFor('recording of the wanted length', async () => {
      this.#process.assertRunning();
      const { capture, rate: cardRate } = await this.#card.status();
      return ((capture.appl - this.#startFrames) * rate) / cardRate >= frames;
    });
  }

  /** @returns the samples that were played up to now, and a little more. */
  async stop(): Promise<Int16Array> {
    await this.end();
    return readPcm(this.#file);
  }

  /** The same, but leaves them in the file. */
  async end(): Promise<void> {
    const { playback, capture } = await this.#card.status();
    const heard = playback.position;
    await waitFor('recording of all that was played', async () => {
      this.#process.assertRunning();
      return (await this.#card.status()).capture.appl > heard;
    });
    await this.#process.stop('SIGINT');
    if (capture.xruns !== this.#xrunsBefore) throw new Error('the recording itself has a gap');
  }

  /** Ends the process, if it runs; for a `finally`. */
  async abandon(): Promise<void> {
    if (this.#process.running) await this.#process.stop('SIGKILL');
  }
}

/** Interleaved samples of a file that was recorded in `pcmFormat`. */
export function readPcm(file: string): Int16Array {
  const bytes = readFileSync(file);
  const whole = bytes.length - (bytes.length % 2);
  return new Int16Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + whole));
}
