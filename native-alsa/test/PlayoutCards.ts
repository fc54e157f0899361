import type { PcmOptions } from '../lib/alsa.js';
import { encoded, PlayoutBench } from './PlayoutBench.js';
import { closeAll } from './streams.js';
import { VirtualCard } from './VirtualCard.js';

/** Most of a second is in front of the card: no machine stalls for so long. */
export const patient: Partial<PcmOptions> = { bufferFrames: 48_000, startSilenceFrames: 40_000 };

/** For the tests of a file: a card for each, and the benches that it opens there. */
export class PlayoutCards {
  readonly #benches: PlayoutBench[] = [];
  #card: VirtualCard | undefined;

  constructor() {
    beforeEach(async () => {
      this.#card = new VirtualCard();
      await this.#card.control('create');
    });
    afterEach(async () => {
      await closeAll();
      for (const bench of this.#benches.splice(0)) bench.close();
      this.#card?.remove();
    });
  }

  get card(): VirtualCard {
    return this.#card!;
  }

  async open(options: Partial<PcmOptions> = {}, ppm?: number): Promise<PlayoutBench> {
    const bench = await PlayoutBench.open(this.card.device, options, ppm);
    this.#benches.push(bench);
    return bench;
  }

  /** A stream that plays, engaged; `packets` are for the test. */
  async engaged(): Promise<{ bench: PlayoutBench; packets: Buffer[] }> {
    const packets = encoded(6);
    const bench = await this.open(patient);
    await bench.start(packets.slice(0, 2));
    bench.engage();
    return { bench, packets: packets.slice(2) };
  }

  /** Before the test ends. */
  close(bench: PlayoutBench): void {
    this.#benches.splice(this.#benches.indexOf(bench), 1);
    bench.close();
  }

  /** What may take longer than what is in front of the card lasts: it plays nothing meanwhile. */
  async whileIdle(work: () => void): Promise<void> {
    await this.card.control('host-idle', 'on');
    work();
    await this.card.control('host-idle', 'off');
  }
}
