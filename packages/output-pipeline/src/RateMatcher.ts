/** A resampler whose ratio moves while sound plays, as the alsa addon has it. */
export interface VariableResampler {
  /** By this a thread of the addon resamples, while nobody calls this object. */
  readonly role?: object | undefined;
  readonly latencyFrames: { readonly input: number };
  /** Takes frames from the start of `pcm`, writes to the start of `out` as far as it has room. */
  process(
    pcm: Int16Array,
    frames: number,
    out: Int16Array,
  ): { readonly consumed: number; readonly produced: number };
  /** @param ppm positive: more of the input for the same output. */
  setRatio(ppm: number): number;
  reset(): void;
}

/** Before the resampler takes over it hears so much of what was played: its filter is full then. */
const primingFrames = 480;
/** Where it is left, its output and the audio itself are cross-faded over so much. */
const blendFrames = 240;
/** By so much more may come out than went in: the ratio's bounds are ±0.5 %. */
const spareFrames = (frames: number): number => Math.ceil(frames / 100);

/**
 * Plays a stream a little faster or slower. While it need not, audio goes by it untouched; both
 * changes are without a click. Interleaved PCM; allocates nothing after its construction.
 */
export class RateMatcher {
  readonly #resampler: VariableResampler;
  readonly #channels: number;
  readonly #latencyFrames: number;
  readonly #past: Int16Array;
  readonly #made: Int16Array;
  #active = false;
  #ppm = 0;

  /** @param framesMax the most that is given at a time. */
  constructor(resampler: VariableResampler, channels: number, framesMax: number) {
    this.#resampler = resampler;
    this.#channels = channels;
    this.#latencyFrames = resampler.latencyFrames.input;
    this.#past = new Int16Array(primingFrames * channels);
    this.#made = new Int16Array(
      (this.#latencyFrames + framesMax + spareFrames(framesMax)) * channels,
    );
  }

  /** Whether audio goes through the resampler, from the next piece on. */
  get isOn(): boolean {
    return this.#active || this.#ppm !== 0;
  }

  /** It is neither about to take over nor about to let go: what is next is as what was last. */
  get isSettled(): boolean {
    return this.#active === (this.#ppm !== 0);
  }

  /** What was given and is not out yet. */
  get heldFrames(): number {
    return this.#active ? this.#latencyFrames : 0;
  }

  /** From the next piece on; 0: past the resampler. */
  steer(ppm: number): void {
    if (ppm === this.#ppm) return;
    this.#ppm = ppm;
    if (this.#active && ppm !== 0) this.#resampler.setRatio(ppm);
  }

  /** Past the resampler at once; what it holds is forgotten. */
  reset(): void {
    this.#active = false;
    this.#ppm = 0;
  }

  /**
   * Takes `pcm[0, frames)` and gives out what it makes of it.
   *
   * @param past fills its argument with what was given before.
   * @param give is called with the start of an array and a number of frames; it copies them.
   */
  pass(
    pcm: Int16Array,
    frames: number,
    past: (out: Int16Array) => void,
    give: (made: Int16Array, fromFrame: number, frames: number) => void,
  ): void {
    const long = frames > this.#latencyFrames;
    if (!this.#active && !long) give(pcm, 0, frames);
    else if (!this.#active) this.#takeOver(pcm, frames, past, give);
    else if (this.#ppm === 0 && long) this.#letGo(pcm, frames, past, give);
    else this.#resample(pcm, frames, give);
  }

  /** Filled with what was played, at 1:1, it stands a sample before the new piece; then it turns. */
  #takeOver(
    pcm: Int16Array,
    frames: number,
    past: (out: Int16Array) => void,
    give: (made: Int16Array, fromFrame: number, frames: number) => void,
  ): void {
    const latency = this.#latencyFrames;
    past(this.#past);
    this.#resampler.reset();
    this.#resampler.process(this.#past, primingFrames, this.#made);
    this.#resampler.process(pcm, latency, this.#made);
    this.#resampler.setRatio(this.#ppm);
    this.#active = true;
    this.#resample(pcm.subarray(latency * this.#channels), frames - latency, give);
  }

  #resample(
    pcm: Int16Array,
    frames: number,
    give: (made: Int16Array, fromFrame: number, frames: number) => void,
  ): void {
    const { produced } = this.#resampler.process(pcm, frames, this.#made);
    if (produced > 0) give(this.#made, 0, produced);
  }

  /** What it holds is the end of what was given before: that, and the new piece, as they are. */
  #letGo(
    pcm: Int16Array,
    frames: number,
    past: (out: Int16Array) => void,
    give: (made: Int16Array, fromFrame: number, frames: number) => void,
  ): void {
    const channels = this.#channels;
    const held = this.heldFrames;
    const blend = Math.min(blendFrames, frames);
    const made = this.#made;
    const { produced } = this.#resampler.process(pcm, blend, made);
    past(this.#past);
    const blended = Math.min(blend, produced);
    const pastStart = (primingFrames - held) * channels;
    for (let i = 0; i < (held + frames) * channels; i++) {
      const straight = i < held * channels ? this.#past[pastStart + i] : pcm[i - held * channels];
      const weight = (Math.floor(i / channels) + 1) / (blended + 1);
      made[i] =
        weight >= 1
          ? (straight ?? 0)
          : Math.round((made[i] ?? 0) + ((straight ?? 0) - (made[i] ?? 0)) * weight);
    }
    this.#active = false;
    give(made, 0, held + frames);
  }
}
