import type {
  PcmMargins,
  PcmSink,
  PcmSlot,
  Playout,
} from '../../packages/output-pipeline/src/PcmSink.js';

export type SimulatedPlaybackOptions = PcmMargins & {
  slots: number;
  slotFramesMax: number;
  channels: number;
  bufferFrames: number;
  /** The card's position moves on by so much at once. */
  stepFrames: number;
};

/** Is told, in order, what the card is given to play. The samples are the teller's. */
export interface PlaybackListener {
  audio(slot: PcmSlot): void;
  /** Nothing was there when it was due: a fade to silence, then silence; or a start's silence. */
  silence(frames: number): void;
  /** What was not yet played is thrown away, so many frames. */
  stopped(unplayedFrames: number): void;
}

const nominalFramesPerUs = 48_000 / 1e6;
/** Silence goes into a gap in pieces of this length, as the playback thread has it: 2.5 ms. */
const gapChunkFrames = 120;
/** Below what doubles tell apart over a year of microseconds. */
const tinyFrames = 1e-3;

/**
 * A playback ring and the card behind it in virtual time, by the rules of the playback thread.
 * It jumps from event to event and keeps nothing of what it plays, so that a day takes a minute.
 * Frames count from the opening; a position is where the card's clock stands.
 */
export class SimulatedPlayback implements PcmSink {
  onLowWater: () => void = () => undefined;
  listener: PlaybackListener | undefined;
  underruns = 0;
  readonly #options: SimulatedPlaybackOptions;
  #margins: PcmMargins;
  readonly #free: PcmSlot[];
  readonly #ring: PcmSlot[] = [];
  #ringFrames = 0;
  #nowUs = 0;
  /** Where the rate was set, or the card started: the clock's straight line begins here. */
  #anchorUs = 0;
  #anchorFrames = 0;
  #framesPerUs = nominalFramesPerUs;
  #skewPpm = 0;
  #writtenFrames = 0;
  #playedFrames = 0;
  #lastProgressUs = 0;
  #streaming = false;
  #ended = false;
  #pauses = false;
  #told = true;
  #inGap = false;
  #silenceFrames = 0;

  constructor(options: SimulatedPlaybackOptions) {
    this.#options = options;
    this.#margins = options;
    this.#free = Array.from({ length: options.slots }, () => ({
      pcm: new Int16Array(options.slotFramesMax * options.channels),
      offsetFrames: 0,
      frames: 0,
    }));
  }

  get nowUs(): number {
    return this.#nowUs;
  }

  get skewPpm(): number {
    return this.#skewPpm;
  }

  /** How much faster than nominal it plays; from now on. */
  set skewPpm(ppm: number) {
    this.#anchorFrames = this.#positionFrames();
    this.#anchorUs = this.#nowUs;
    this.#skewPpm = ppm;
    this.#framesPerUs = nominalFramesPerUs * (1 + ppm / 1e6);
  }

  /** When what was committed last has been played, if nothing goes wrong before. */
  get playedOutUs(): number {
    const unplayed = this.#writtenFrames + this.#ringFrames - this.#positionFrames();
    return this.#nowUs + unplayed / this.#framesPerUs;
  }

  /** When it will call onLowWater next, as things are. */
  get nextLowWaterUs(): number {
    if (!this.#streaming || this.#told) return Number.POSITIVE_INFINITY;
    return this.#whenUnplayed(this.#margins.lowWaterFrames);
  }

  acquire(): PcmSlot | undefined {
    return this.#free[0];
  }

  commit(slot: PcmSlot): void {
    const { slotFramesMax } = this.#options;
    if (slot !== this.#free[0]) throw new Error('commit of a slot that is not the next one');
    if (slot.frames < 1 || slot.offsetFrames + slot.frames > slotFramesMax) {
      throw new RangeError(`${slot.offsetFrames} + ${slot.frames} frames in a slot`);
    }
    this.#free.shift();
    this.#ring.push(slot);
    this.#ringFrames += slot.frames;
    this.#told = false;
    this.#ended = false;
    if (!this.#streaming) {
      this.#streaming = true;
      this.#anchorUs = this.#lastProgressUs = this.#nowUs;
      this.#anchorFrames = this.#writtenFrames = this.#playedFrames;
      this.#silence(this.#margins.startSilenceFrames);
    }
    this.listener?.audio(slot);
    this.#feed();
  }

  setMargins(margins: PcmMargins): void {
    this.#margins = margins;
  }

  endOfStream(): void {
    this.#ended = true;
  }

  setPauses(pauses: boolean): void {
    this.#pauses = pauses;
  }

  stop(): void {
    this.listener?.stopped(this.#writtenFrames + this.#ringFrames - this.#playedFrames);
    this.#free.push(...this.#ring.splice(0));
    this.#ringFrames = 0;
    this.#streaming = false;
    this.#inGap = false;
    this.#told = true;
  }

  playout(nowUs: number): Playout {
    const sinceUs = this.#streaming ? nowUs - this.#lastProgressUs : 0;
    const inDevice = this.#streaming ? this.#writtenFrames - this.#playedFrames : 0;
    return {
      streaming: this.#streaming,
      queuedFrames: this.#ringFrames + Math.max(0, inDevice - sinceUs * nominalFramesPerUs),
      ringFrames: this.#ringFrames,
      beyondFrames: 0,
      silenceFrames: this.#silenceFrames,
      lastProgressUs: this.#lastProgressUs,
    };
  }

  /** Time passes, up to `toUs`. */
  advance(toUs: number): void {
    while (this.#streaming) {
      const dryUs = this.#ended ? this.#whenUnplayed(0) : this.#whenDry();
      const nextUs = Math.min(dryUs, this.nextLowWaterUs);
      if (nextUs > toUs) break;
      this.#moveTo(nextUs);
      if (nextUs === dryUs) this.#runDry();
      else this.#tellLowWater();
    }
    this.#moveTo(toUs);
  }

  #moveTo(nowUs: number): void {
    this.#nowUs = Math.max(this.#nowUs, nowUs);
    if (!this.#streaming) return;
    const { stepFrames } = this.#options;
    const steps = Math.floor(
      (this.#positionFrames() - this.#anchorFrames) / stepFrames + tinyFrames,
    );
    const played = Math.min(this.#anchorFrames + steps * stepFrames, this.#writtenFrames);
    if (played > this.#playedFrames) {
      this.#lastProgressUs = this.#anchorUs + (played - this.#anchorFrames) / this.#framesPerUs;
      this.#playedFrames = played;
    }
    this.#feed();
  }

  #positionFrames(): number {
    if (!this.#streaming) return this.#playedFrames;
    return this.#anchorFrames + (this.#nowUs - this.#anchorUs) * this.#framesPerUs;
  }

  #whenUnplayed(frames: number): number {
    const left = this.#writtenFrames + this.#ringFrames - frames - this.#positionFrames();
    return this.#nowUs + Math.max(0, left) / this.#framesPerUs;
  }

  #whenDry(): number {
    if (this.#ring.length > 0) return Number.POSITIVE_INFINITY;
    return this.#whenUnplayed(this.#margins.guardFrames);
  }

  #tellLowWater(): void {
    this.#told = true;
    this.onLowWater();
  }

  #feed(): void {
    const room = (): number =>
      this.#options.bufferFrames - (this.#writtenFrames - this.#playedFrames);
    for (let slot = this.#ring[0]; slot && slot.frames <= room(); slot = this.#ring[0]) {
      this.#writtenFrames += slot.frames;
      this.#ringFrames -= slot.frames;
      this.#inGap = false;
      this.#ring.shift();
      this.#free.push(slot);
    }
  }

  #runDry(): void {
    if (this.#ended) {
      this.#playedFrames = this.#writtenFrames;
      this.#streaming = false;
      this.#told = true;
      return;
    }
    if (!this.#inGap && !this.#pauses) this.underruns += 1;
    this.#inGap = true;
    this.#silence(gapChunkFrames);
    this.#silenceFrames += gapChunkFrames;
    if (this.#writtenFrames - this.#positionFrames() > this.#margins.lowWaterFrames) {
      this.#told = false;
    }
  }

  #silence(frames: number): void {
    this.#writtenFrames += frames;
    this.listener?.silence(frames);
  }
}
