import {
  type CodecBackend,
  type EffectiveFormat,
  type EncoderSettings,
  type EncoderTuning,
  encoderSettings,
  type OpusEncoder,
} from '@kvm-audio/audio';
import { mediaRate } from '@kvm-audio/protocol';

/** Audio that a new encoder is given before its first packet counts. */
const warmUpFrames = 20 * (mediaRate / 1000);
const scratchBytes = 4_096;

/**
 * The encoder of a stream over changes of its format. What libopus changes live is set on the
 * running encoder, at a frame boundary, without a gap. Only another `application` needs another
 * encoder: it first codes the newest 20 ms again, unheard, so that its filters and its energy
 * prediction do not start from nothing.
 */
export class FrameEncoder {
  readonly #backend: CodecBackend;
  readonly #channels: 1 | 2;
  readonly #tuning: EncoderTuning;
  readonly #scratch = new Uint8Array(scratchBytes);
  /** The newest 20 ms, oldest sample first. */
  readonly #history: Int16Array;
  #encoder: OpusEncoder;

  constructor(
    backend: CodecBackend,
    channels: 1 | 2,
    format: EffectiveFormat,
    tuning: EncoderTuning,
  ) {
    this.#backend = backend;
    this.#channels = channels;
    this.#tuning = tuning;
    this.#history = new Int16Array(warmUpFrames * channels);
    this.#encoder = backend.createEncoder(format.application, channels, this.#settings(format));
  }

  get lookaheadSamples(): number {
    return this.#encoder.lookaheadSamples;
  }

  /** Takes effect with the next frame. */
  setFormat(format: EffectiveFormat): void {
    const settings = this.#settings(format);
    if (format.application === this.#encoder.application) {
      this.#encoder.configure(settings);
      return;
    }
    const next = this.#backend.createEncoder(format.application, this.#channels, settings);
    next.encode(this.#history, warmUpFrames, this.#scratch);
    this.#encoder.close();
    this.#encoder = next;
  }

  /** @returns the packet's length in bytes. See OpusEncoder.encode. */
  encode(pcm: Int16Array, frames: number, out: Uint8Array): number {
    this.#remember(pcm, frames);
    return this.#encoder.encode(pcm, frames, out);
  }

  close(): void {
    this.#encoder.close();
  }

  #remember(pcm: Int16Array, frames: number): void {
    const samples = frames * this.#channels;
    const kept = Math.min(samples, this.#history.length);
    this.#history.copyWithin(0, kept);
    this.#history.set(pcm.subarray(samples - kept, samples), this.#history.length - kept);
  }

  #settings(format: EffectiveFormat): EncoderSettings {
    return encoderSettings(format, this.#tuning);
  }
}
