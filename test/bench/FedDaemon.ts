import { playOn } from '../helpers/PcmRecording.js';
import { TestDaemon } from '../helpers/TestDaemon.js';
import type { TestProcess } from '../helpers/TestProcess.js';
import { makeTrack } from './playTrack.js';

/** A running daemon that is fed with sound and bridged to itself. */
export class FedDaemon {
  readonly daemon: TestDaemon;
  readonly #track: string;
  #player: TestProcess | undefined;

  private constructor(daemon: TestDaemon, track: string) {
    this.daemon = daemon;
    this.#track = track;
  }

  /** @param seconds for how long there is sound. */
  static async start(seconds: number): Promise<FedDaemon> {
    const daemon = await TestDaemon.start({ config: { input: { profile: 'program' } } });
    const fed = new FedDaemon(daemon, makeTrack(daemon.folder, seconds));
    try {
      fed.play();
      await daemon.bridge();
      return fed;
    } catch (error) {
      await fed.stop();
      throw error;
    }
  }

  /** Anew, where its player lost the card. */
  play(): void {
    if (!this.#player?.running) this.#player = playOn(this.daemon.inputCard, this.#track);
  }

  async stop(): Promise<void> {
    if (this.#player?.running) await this.#player.stop('SIGKILL');
    await this.daemon.stop();
  }
}
