import { strict as assert } from 'node:assert';
import {
  type CodecBackend,
  type EffectiveFormat,
  type EncoderSettings,
  type EncoderTuning,
  encoderSettings,
  type OpusEncoder,
} from '@kvm-audio/audio';
import { fadeIn } from './fadeIn.js';

/**
 * How much of its bitrate the encoder keeps at least from one frame to the next. With constrained
 * VBR libopus owes the bits of up to one frame, and pays them back at once: after a fall to half,
 * the next frame would have none (celt_encoder.c: vbr_reservoir).
 */
const bitrateKept = 0.8;
/** Opus has no more. */
const complexityMax = 10;
/**
 * What the first frame of a level for voice has at least. There libopus goes over from CELT to
 * SILK, which starts from nothing: with the level's own bits that can be heard as a hole. It
 * cannot be more: from 59,157 bits per second on libopus does not go over (opus_encoder.c, 1.3.1:
 * the threshold for a mono voice, less its hysteresis).
 */
const voiceStart = { bitrate: 56_000, complexity: 5 } as const;

/**
 * The encoder of a stream over changes of its format: one libopus encoder, whose settings change
 * at a frame boundary. Between its two ways of coding, SILK and CELT, libopus itself fades over.
 * The bitrate rises at once and falls in steps, within 200 ms. docs/codec.md has figures.
 */
export class FrameEncoder {
  readonly #encoder: OpusEncoder;
  readonly #tuning: EncoderTuning;
  #format: EffectiveFormat;
  #complexityMax = complexityMax;
  /** The format's. The encoder has them, but for what a change begins with. */
  #settings: EncoderSettings;
  /** The encoder's: not yet down to that of the settings after a change. */
  #bitrate: number;
  #isReset = false;

  constructor(
    backend: CodecBackend,
    channels: 1 | 2,
    format: EffectiveFormat,
    tuning: EncoderTuning,
  ) {
    this.#tuning = tuning;
    this.#format = format;
    this.#settings = this.#settingsOf(format);
    this.#encoder = backend.createEncoder(format.application, channels, this.#settings);
    this.#bitrate = this.#settings.bitrate;
  }

  get lookaheadSamples(): number {
    return this.#encoder.lookaheadSamples;
  }

  /** Takes effect with the next frame. The application stays what it was at the start. */
  setFormat(format: EffectiveFormat): void {
    assert.equal(format.application, this.#encoder.application);
    const settings = this.#settingsOf(format);
    this.#format = format;
    const voiceStarts = settings.signal === 'voice' && this.#settings.signal !== 'voice';
    const bitrate = voiceStarts ? voiceStart.bitrate : this.#bitrate * bitrateKept;
    this.#settings = settings;
    this.#setBitrate(bitrate, voiceStarts ? voiceStartOf(settings) : settings);
  }

  /** What the encoder may have now; with less it takes less CPU. */
  get complexity(): number {
    return this.#settings.complexity;
  }

  /** Takes effect with the next frame, whatever the format is. */
  limitComplexity(most: number): void {
    this.#complexityMax = most;
    this.#settings = this.#settingsOf(this.#format);
    this.#setBitrate(this.#bitrate, this.#settings);
  }

  /** See OpusEncoder; undefined while a change is under way, which goes from frame to frame. */
  get role(): object | undefined {
    return this.#bitrate > this.#settings.bitrate ? undefined : this.#encoder.role;
  }

  /**
   * See OpusEncoder.encode; after a reset `pcm` itself is faded in.
   *
   * @returns the packet's length in bytes.
   */
  encode(pcm: Int16Array, frames: number, out: Uint8Array): number {
    if (this.#isReset) fadeIn(pcm, this.#encoder.channels);
    this.#isReset = false;
    const bytes = this.#encoder.encode(pcm, frames, out);
    if (this.#bitrate > this.#settings.bitrate) {
      this.#setBitrate(this.#bitrate * bitrateKept, this.#settings);
    }
    return bytes;
  }

  /**
   * What follows has nothing to do with what was encoded: of that nothing comes out any more, and
   * what follows is faded in. Who plays it cannot: for the length of the look-ahead there is
   * nothing to fade.
   */
  reset(): void {
    this.#encoder.reset();
    this.#isReset = true;
  }

  close(): void {
    this.#encoder.close();
  }

  #settingsOf(format: EffectiveFormat): EncoderSettings {
    const settings = encoderSettings(format, this.#tuning);
    return { ...settings, complexity: Math.min(settings.complexity, this.#complexityMax) };
  }

  /** The bitrate, or that of the format if it is higher; all else as in `settings`. */
  #setBitrate(wanted: number, settings: EncoderSettings): void {
    const bitrate = Math.max(this.#settings.bitrate, Math.round(wanted));
    this.#encoder.configure({ ...settings, bitrate });
    this.#bitrate = bitrate;
  }
}

/** The first frame of voice is not bound to the size of the others either. */
function voiceStartOf(settings: EncoderSettings): EncoderSettings {
  const complexity = Math.max(settings.complexity, voiceStart.complexity);
  return { ...settings, complexity, vbr: true };
}
