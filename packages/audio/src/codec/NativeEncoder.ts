import type { AddonEncoder, OpusAddon } from '@kvm-audio/native-alsa/opus';
import type { Application } from '@kvm-audio/protocol';
import type { EncoderSettings, OpusEncoder } from './CodecBackend.js';
import { CodecError, closedError, OPUS_BAD_ARG } from './CodecError.js';
import { construct } from './construct.js';
import {
  applicationNumbers,
  controlsOf,
  frameLengths,
  GET_LOOKAHEAD,
  settingsOf,
} from './encoderControls.js';

/** libopus' encoder at 48 kHz. Owned and called by one pipeline; nothing is allocated per call. */
export class NativeEncoder implements OpusEncoder {
  readonly application: Application;
  readonly channels: 1 | 2;
  readonly lookaheadSamples: number;
  /** By this a fast path of the alsa addon encodes, while nobody calls this object. */
  readonly role: object;
  readonly #encoder: AddonEncoder;
  #closed = false;

  constructor(
    addon: OpusAddon,
    application: Application,
    channels: 1 | 2,
    settings: EncoderSettings,
  ) {
    const number = applicationNumbers[application];
    if (number === undefined || (channels !== 1 && channels !== 2)) {
      throw new CodecError('opus_encoder_create', OPUS_BAD_ARG);
    }
    const controls = controlsOf(settings, channels);
    this.#encoder = construct('opus_encoder_create', () => new addon.Encoder(number, channels));
    this.role = this.#encoder.role();
    this.application = application;
    this.channels = channels;
    for (const { call, set, value } of controls) this.#check(call, this.#encoder.set(set, value));
    this.lookaheadSamples = this.#read(GET_LOOKAHEAD);
  }

  /** Applies every setting, from the next frame on, with no gap. All or nothing. */
  configure(settings: EncoderSettings): void {
    this.#assertOpen('configure');
    for (const { call, set, value } of controlsOf(settings, this.channels)) {
      this.#check(call, this.#encoder.set(set, value));
    }
  }

  /**
   * `pcm` holds at least `frames` interleaved frames; `frames` is 2.5, 5, 10, 20, 40 or 60 ms.
   * Writes one packet into `out` from byte 0 and returns its length. A packet never outgrows
   * `out`: libopus lowers the quality of this one frame to what fits.
   */
  encode(pcm: Int16Array, frames: number, out: Uint8Array): number {
    if (!frameLengths.has(frames)) {
      throw new CodecError('opus_encode', OPUS_BAD_ARG, {
        message: `${frames} is no Opus frame length`,
      });
    }
    return this.#check('opus_encode', this.#encoder.encode(pcm, frames, out));
  }

  /** What libopus says that it is set to. */
  settings(): EncoderSettings {
    this.#assertOpen('settings');
    return settingsOf((request) => this.#read(request));
  }

  /** The range coder's final state: equal to the decoder's after the same packet. */
  get finalRange(): number {
    return this.#encoder.finalRange();
  }

  reset(): void {
    this.#check('OPUS_RESET_STATE', this.#encoder.reset());
  }

  close(): void {
    this.#closed = true;
    this.#encoder.close();
  }

  #read(request: number): number {
    const value = this.#encoder.get(request);
    // -1 to -7 are error codes; no control has such a value (OPUS_AUTO is -1000).
    return value < 0 && value >= -7 ? this.#check(`OPUS_GET ${request}`, value) : value;
  }

  #check(call: string, result: number): number {
    if (result >= 0) return result;
    throw this.#closed ? closedError(call) : new CodecError(call, result);
  }

  #assertOpen(call: string): void {
    if (this.#closed) throw closedError(call);
  }
}
