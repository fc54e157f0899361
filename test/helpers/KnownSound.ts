import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PcmRecording, pcmFormat, playOn } from './PcmRecording.js';
import { correlation, findIn, mixDown, splitChannels } from './signal.js';
import type { TestDaemon } from './TestDaemon.js';
import type { TestProcess } from './TestProcess.js';
import { waitFor } from './waitFor.js';

const { rate, channels } = pcmFormat;
/** A sweep in the band of every level: it is like itself at one place only. */
const sweepFrames = rate / 2;
const sweepHz = { from: 300, to: 3_000 };
const sweepsPlayed = 120;
/** Holds two whole sweeps. */
const recordedFrames = 3 * sweepFrames;
const correlationMin = 0.9;
/** A busy machine makes gaps of its own: it is listened to again and again. */
const hearMs = 60_000;

const sweep = Float64Array.from({ length: sweepFrames }, (_, i) => {
  const seconds = i / rate;
  const slope = (sweepHz.to - sweepHz.from) / (sweepFrames / rate);
  const phase = 2 * Math.PI * (sweepHz.from * seconds + (slope * seconds ** 2) / 2);
  return 0.5 * Math.sin(phase) * Math.sin((Math.PI * i) / sweepFrames);
});

/** A sound that is played into the daemon's input card and looked for on its output card. */
export class KnownSound {
  readonly #daemon: TestDaemon;
  readonly #file: string;
  #player: TestProcess | undefined;

  constructor(daemon: TestDaemon) {
    this.#daemon = daemon;
    this.#file = join(daemon.folder, 'known.raw');
    const once = Int16Array.from({ length: channels * sweepFrames }, (_, i) =>
      Math.round(32_767 * sweep[Math.floor(i / channels)]!),
    );
    writeFileSync(this.#file, Buffer.concat(Array(sweepsPlayed).fill(Buffer.from(once.buffer))));
  }

  /** Plays it, or again where its player lost the card; resolves when it was played once. */
  async play(): Promise<void> {
    this.#start();
    await waitFor('known sound that is played', async () => {
      this.#player?.assertRunning();
      const { state, position, start } = (await this.#daemon.inputCard.status()).playback;
      return state === 'RUNNING' && position - start >= sweepFrames;
    });
  }

  /** Plays it on, or again where its player lost the card, until the output card sounds of it. */
  async hear(): Promise<void> {
    await waitFor('known sound on the output card', () => this.#isHeard(), hearMs);
  }

  async stop(): Promise<void> {
    if (this.#player?.running) await this.#player.stop('SIGKILL');
  }

  #start(): void {
    if (!this.#player?.running) this.#player = playOn(this.#daemon.inputCard, this.#file);
  }

  async #isHeard(): Promise<boolean> {
    const { outputCard, folder } = this.#daemon;
    this.#start();
    const recording = await PcmRecording.start(outputCard, join(folder, 'known-heard.raw'));
    try {
      await recording.waitFor(recordedFrames);
      const heard = mixDown(splitChannels(await recording.stop(), channels));
      const at = findIn(heard, sweep);
      return correlation(heard.subarray(at, at + sweepFrames), sweep) > correlationMin;
    } finally {
      await recording.abandon();
    }
  }
}
