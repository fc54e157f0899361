/** What the card played in place of a sample: nothing was there, or it waited for a start. */
export const silence = 'silence';

type Slot = { pcm: Int16Array; offsetFrames: number; frames: number };
type Options = {
  slots: number;
  slotFramesMax: number;
  channels: number;
  bufferFrames: number;
  guardFrames: number;
  lowWaterFrames: number;
  startSilenceFrames: number;
};

/**
 * A playback ring and the card behind it, in virtual time: exact to the sample, with the rules of
 * the playback thread: a start with its silence, silence where it runs dry, one low-water call.
 */
export class SimulatedCard {
  /** One entry a played frame: the first channel's sample, or silence. */
  readonly heard: (number | typeof silence)[] = [];
  onLowWater: () => void = () => undefined;
  readonly #options: Options;
  readonly #free: Slot[];
  readonly #ring: Slot[] = [];
  #device: (number | typeof silence)[] = [];
  #nowFrames = 0;
  #streaming = 0;
  #ended = false;
  #told = true;
  #silenceFrames = 0;
  #running = 0;

  constructor(options: Options) {
    this.#options = options;
    this.#free = Array.from({ length: options.slots }, () => ({
      pcm: new Int16Array(options.slotFramesMax * options.channels),
      offsetFrames: 0,
      frames: 0,
    }));
  }

  get nowUs(): number {
    return (this.#nowFrames * 1_000_000) / 48_000;
  }

  acquire(): Slot | undefined {
    return this.#free[0];
  }

  commit(slot: Slot): void {
    const { slotFramesMax, startSilenceFrames } = this.#options;
    if (slot !== this.#free[0]) throw new Error('commit of a slot that is not the next one');
    if (slot.frames < 1 || slot.offsetFrames + slot.frames > slotFramesMax) {
      throw new RangeError(`${slot.offsetFrames} + ${slot.frames} frames in a slot`);
    }
    this.#free.shift();
    this.#ring.push(slot);
    this.#told = false;
    this.#ended = false;
    if (this.#streaming === 0) {
      this.#streaming = 1;
      for (let i = 0; i < startSilenceFrames; i++) this.#device.push(silence);
    }
  }

  queuedFrames(_nowUs: number): number {
    return this.#ring.reduce((sum, { frames }) => sum + frames, this.#device.length);
  }

  endOfStream(): void {
    this.#ended = true;
  }

  counters(): { silenceFrames: number; streaming: number } {
    return { silenceFrames: this.#silenceFrames, streaming: this.#streaming };
  }

  /** How often it ran dry while audio was expected. */
  get underruns(): number {
    return this.#running;
  }

  /** Plays `frames`, a few at a time, so that its thread can fill in between. */
  advance(frames: number): void {
    this.#nowFrames += frames;
    if (this.#streaming === 0) return;
    this.#fill();
    this.heard.push(...this.#device.splice(0, frames));
    this.#fill();
    if (this.#ring.length === 0 && this.#ended) this.#finish();
    else this.#coverGap();
    this.#tellLowWater();
  }

  #fill(): void {
    const { bufferFrames, channels } = this.#options;
    let slot = this.#ring[0];
    while (slot && this.#device.length + slot.frames <= bufferFrames) {
      for (let i = 0; i < slot.frames; i++) {
        this.#device.push(slot.pcm[(slot.offsetFrames + i) * channels] ?? 0);
      }
      this.#ring.shift();
      this.#free.push(slot);
      slot = this.#ring[0];
    }
  }

  #finish(): void {
    if (this.#device.length > 0) return;
    this.#streaming = 0;
  }

  #coverGap(): void {
    const { guardFrames } = this.#options;
    if (this.#ring.length > 0 || this.#device.length > guardFrames) return;
    if (this.#device.at(-1) !== silence) this.#running += 1;
    while (this.#device.length <= guardFrames) {
      this.#device.push(silence);
      this.#silenceFrames += 1;
    }
  }

  #tellLowWater(): void {
    if (this.#told || this.queuedFrames(0) > this.#options.lowWaterFrames) return;
    this.#told = true;
    this.onLowWater();
  }
}
