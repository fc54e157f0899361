/** In place of a sample: the card played silence of its own. */
export const silence = -(2 ** 31);

type Slot = { pcm: Int16Array; offsetFrames: number; frames: number };
type Margins = { guardFrames: number; lowWaterFrames: number; startSilenceFrames: number };
type Options = Margins & {
  slots: number;
  slotFramesMax: number;
  channels: number;
  bufferFrames: number;
  framesMax?: number;
};

/** Silence goes into a gap in pieces of this length. */
const gapFrames = 120;
/** Longest simulation, where nothing else is said. */
const framesMax = 30 * 48_000;

/**
 * A playback ring and the card behind it, in virtual time and exact to the sample, with the rules
 * of the playback thread: silence at a start and where it runs dry, one low-water call at a time.
 */
export class SimulatedCard {
  onLowWater: () => void = () => undefined;
  /** How much faster than nominal it plays. */
  skewPpm = 0;
  /** The most that its own pitch control can play faster or slower; 0: it has none. */
  pitchPpmMax = 0;
  /** That control refuses what is wanted, and stands at nominal. */
  pitchRefuses = false;
  /** Where it stands. */
  pitchPpm = 0;
  /** It takes nothing: a host that does not listen. */
  idle = false;
  readonly #options: Options;
  #margins: Margins;
  readonly #free: Slot[];
  readonly #ring: Slot[] = [];
  /** Everything that went into the device, a first channel's sample or `silence` a frame. */
  readonly #line: Int32Array;
  #written = 0;
  #played = 0;
  #nowFrames = 0;
  #streaming = 0;
  #ended = false;
  #pauses = false;
  #told = true;
  #silenceFrames = 0;
  #inGap = false;
  #underruns = 0;
  #owedFrames = 0;
  #lastProgressUs = 0;

  constructor(options: Options) {
    this.#options = options;
    this.#margins = options;
    this.#line = new Int32Array(options.framesMax ?? framesMax);
    this.#free = Array.from({ length: options.slots }, () => ({
      pcm: new Int16Array(options.slotFramesMax * options.channels),
      offsetFrames: 0,
      frames: 0,
    }));
  }

  get nowUs(): number {
    return (this.#nowFrames * 1_000_000) / 48_000;
  }

  /** What was played since the first start, a value a frame. */
  get heard(): Int32Array {
    return this.#line.subarray(0, this.#played);
  }

  /** How often it ran dry while audio was expected. */
  get underruns(): number {
    return this.#underruns;
  }

  acquire(): Slot | undefined {
    return this.#free[0];
  }

  commit(slot: Slot): void {
    const { slotFramesMax } = this.#options;
    const { startSilenceFrames } = this.#margins;
    if (slot !== this.#free[0]) throw new Error('commit of a slot that is not the next one');
    if (slot.frames < 1 || slot.offsetFrames + slot.frames > slotFramesMax) {
      throw new RangeError(`${slot.offsetFrames} + ${slot.frames} frames in a slot`);
    }
    this.#free.shift();
    this.#ring.push(slot);
    this.#told = false;
    this.#ended = false;
    if (this.#streaming === 1) return;
    this.#streaming = 1;
    this.#write(startSilenceFrames);
  }

  setMargins(margins: Margins): void {
    this.#margins = margins;
  }

  queuedFrames(): number {
    return this.#ring.reduce((sum, { frames }) => sum + frames, this.#written - this.#played);
  }

  steer(ppm: number): number {
    const most = this.pitchRefuses ? 0 : this.pitchPpmMax;
    this.pitchPpm = Math.max(-most, Math.min(most, ppm));
    return ppm - this.pitchPpm;
  }

  endOfStream(): void {
    this.#ended = true;
  }

  setPauses(pauses: boolean): void {
    this.#pauses = pauses;
  }

  /** What it holds is thrown away, and that time stays silent. */
  xrun(): void {
    const thrownAway = this.#written - this.#played;
    const silent = Math.max(this.#margins.startSilenceFrames, thrownAway);
    this.#written = this.#played;
    this.#write(silent);
    this.#silenceFrames += silent - thrownAway;
  }

  stop(): void {
    this.#free.push(...this.#ring.splice(0));
    this.#written = this.#played;
    this.#streaming = 0;
    this.#inGap = false;
    this.#told = true;
  }

  playout(): {
    streaming: boolean;
    queuedFrames: number;
    ringFrames: number;
    beyondFrames: number;
    silenceFrames: number;
    lastProgressUs: number;
  } {
    return {
      lastProgressUs: this.#lastProgressUs,
      streaming: this.#streaming === 1,
      queuedFrames: this.queuedFrames(),
      ringFrames: this.#ring.reduce((sum, { frames }) => sum + frames, 0),
      beyondFrames: 0,
      silenceFrames: this.#silenceFrames,
    };
  }

  /** Time passes; a few frames at a step, as the thread looks at the device every so often. */
  advance(frames: number): void {
    this.#nowFrames += frames;
    if (this.#streaming === 0) return;
    this.#feed();
    if (this.idle) return;
    this.#owedFrames += frames * (1 + this.skewPpm / 1e6) * (1 + this.pitchPpm / 1e6);
    const played = Math.floor(this.#owedFrames);
    this.#owedFrames -= played;
    this.#lastProgressUs = this.nowUs;
    this.#played = Math.min(this.#played + played, this.#written);
    this.#feed();
    if (this.#ring.length === 0) this.#runDry();
    if (!this.#told && this.queuedFrames() <= this.#margins.lowWaterFrames) {
      this.#told = true;
      this.onLowWater();
    }
  }

  #feed(): void {
    const { bufferFrames, channels } = this.#options;
    let slot = this.#ring[0];
    while (slot && this.#written - this.#played + slot.frames <= bufferFrames) {
      for (let i = 0; i < slot.frames; i++) {
        this.#line[this.#written + i] = slot.pcm[(slot.offsetFrames + i) * channels] ?? 0;
      }
      this.#written += slot.frames;
      this.#inGap = false;
      this.#ring.shift();
      this.#free.push(slot);
      slot = this.#ring[0];
    }
  }

  #runDry(): void {
    const left = this.#written - this.#played;
    if (this.#ended) {
      if (left === 0) this.#streaming = 0;
      return;
    }
    if (left > this.#margins.guardFrames) return;
    if (!this.#inGap && !this.#pauses) this.#underruns += 1;
    this.#inGap = true;
    this.#write(gapFrames);
    this.#silenceFrames += gapFrames;
    if (left + gapFrames > this.#margins.lowWaterFrames) this.#told = false;
  }

  #write(silenceFrames: number): void {
    this.#line.fill(silence, this.#written, this.#written + silenceFrames);
    this.#written += silenceFrames;
  }
}
