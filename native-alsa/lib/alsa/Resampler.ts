import { type AddonResampler, loadAddon } from './addon.js';
import { limits } from './limits.js';
import { check } from './options.js';
import { ResamplerError, SPEEX_BAD_STATE } from './ResamplerError.js';
import { numeratorFor, type RateFraction, rateFraction } from './rateFraction.js';

export type ResamplerOptions = {
  /** 1 or 2, interleaved */
  channels: number;
  /** Hz */
  inputRate: number;
  outputRate: number;
  /** 0 to 10 */
  quality?: number;
};

/** In frames. */
export type Resampled = {
  readonly consumed: number;
  readonly produced: number;
};

/**
 * The cheapest that adds nothing to the noise of 16-bit rounding (2: 8 to 13 dB over it) and is
 * flat to 20 kHz, where Opus ends, between clocks of 48 kHz (3: -0.4 dB). It takes 90 µs per 20 ms
 * of stereo and 23 µs per move of the ratio; 3 takes 68 and 18, 5 takes 115 and 58. Measured
 * 2026-11-21 on an AMD EPYC (x86-64), SpeexDSP 1.2.1; docs/resampler.md has all of them.
 */
const qualityDefault = 4;

/**
 * SpeexDSP's resampler: int16 from one rate to another, or from a clock to another of the same
 * nominal rate. Owned and called by one pipeline, on the event loop. process() allocates nothing.
 */
export class Resampler {
  readonly channels: number;
  readonly inputRate: number;
  readonly outputRate: number;
  readonly quality: number;
  readonly #addon: AddonResampler;
  readonly #fraction: RateFraction;
  readonly #counts = new Int32Array(2);
  readonly #resampled = { consumed: 0, produced: 0 };
  /** of the ratio in force; 0 = that of the rates, exactly */
  #numerator = 0;
  #closed = false;

  /** Throws a RangeError that names what is out of bounds, or a ResamplerError. */
  constructor(options: ResamplerOptions) {
    const { channels, inputRate, outputRate, quality = qualityDefault } = options;
    check('channels', channels, 1, limits.channelsMax);
    check('inputRate', inputRate, limits.rateMin, limits.rateMax);
    check('outputRate', outputRate, limits.rateMin, limits.rateMax);
    check('quality', quality, 0, limits.resamplerQualityMax);
    this.channels = channels;
    this.inputRate = inputRate;
    this.outputRate = outputRate;
    this.quality = quality;
    this.#fraction = rateFraction(inputRate / outputRate);
    const { Resampler: Addon } = loadAddon();
    this.#addon = construct(() => new Addon(channels, inputRate, outputRate, quality));
  }

  /**
   * Takes up to `frames` from the start of `pcm` and writes what they give to the start of `out`,
   * as far as it has room. Frames that were not consumed are to be offered again; what was consumed
   * and is not yet in `out` comes with the next call.
   * @param out must not share the memory of the frames that are read.
   * @returns an object that the next call overwrites.
   */
  process(pcm: Int16Array, frames: number, out: Int16Array): Resampled {
    const code = this.#addon.process(pcm, frames, out, this.#counts);
    if (code !== 0) this.#fail('speex_resampler_process_interleaved_int', code);
    this.#resampled.consumed = this.#counts[0]!;
    this.#resampled.produced = this.#counts[1]!;
    return this.#resampled;
  }

  /**
   * Moves the ratio by a fraction of itself, without a click: 1,000 ppm take 0.1 % more input for
   * the same output, which plays faster and empties what waits in front. Until it is first moved
   * the ratio is exactly that of the rates; afterwards it is always a whole number of steps of
   * about 1 ppm, and never exactly 1:1.
   *
   * A call that moves it costs a quarter of the resampling of 20 ms of stereo (rateFraction.ts says
   * why), one that does not, nothing. The first move from 1:1, 2:1 or 2:3 makes process() about
   * five times as dear from then on, until reset().
   * @param ppm −5,000 to 5,000
   * @returns the ppm in force
   */
  setRatio(ppm: number): number {
    if (!(Math.abs(ppm) <= limits.ratioPpmMax)) {
      throw new RangeError(`ppm = ${ppm} is not within ±${limits.ratioPpmMax}`);
    }
    this.#mustBeOpen('speex_resampler_set_rate_frac');
    const { denominator, via } = this.#fraction;
    const ratio = (this.inputRate / this.outputRate) * (1 + ppm / 1e6);
    const numerator = numeratorFor(ratio, denominator);
    if (numerator === this.#numerator || (ppm === 0 && this.#numerator === 0)) return this.ratioPpm;
    const code = this.#addon.setRatio(numeratorFor(ratio, via), via, numerator, denominator);
    if (code !== 0) this.#fail('speex_resampler_set_rate_frac', code);
    this.#numerator = numerator;
    return this.ratioPpm;
  }

  /** What setRatio() has set, to the step. */
  get ratioPpm(): number {
    if (this.#numerator === 0) return 0;
    const ratio = this.#numerator / this.#fraction.denominator;
    return (ratio / (this.inputRate / this.outputRate) - 1) * 1e6;
  }

  /** How far the output is behind the input, in frames of either rate. */
  get latencyFrames(): { readonly input: number; readonly output: number } {
    this.#mustBeOpen('speex_resampler_get_input_latency');
    return { input: this.#addon.inputLatency(), output: this.#addon.outputLatency() };
  }

  /** As after construction: no sound is remembered, and the ratio is that of the rates. */
  reset(): void {
    const code = this.#addon.reset();
    if (code !== 0) this.#fail('speex_resampler_init', code);
    this.#numerator = 0;
  }

  /** For a fast path, while nobody calls this object. */
  get role(): object {
    return this.#addon;
  }

  /** Idempotent. Any other call throws a ResamplerError (RESAMPLER_CLOSED) from then on. */
  close(): void {
    this.#closed = true;
    this.#addon.close();
  }

  #mustBeOpen(call: string): void {
    if (this.#closed) this.#fail(call, SPEEX_BAD_STATE);
  }

  #fail(call: string, code: number): never {
    throw new ResamplerError(call, code);
  }
}

function construct(create: () => AddonResampler): AddonResampler {
  try {
    return create();
  } catch (error) {
    const code = error instanceof Error && 'speexCode' in error ? error.speexCode : undefined;
    if (typeof code !== 'number') throw error;
    throw new ResamplerError('speex_resampler_init', code);
  }
}
