import type { AddonDecoder, OpusAddon } from '@kvm-audio/native-alsa/opus';
import type { OpusDecoder } from './CodecBackend.js';
import { CodecError, closedError, OPUS_BAD_ARG } from './CodecError.js';
import { construct } from './construct.js';

/** libopus' decoder at 48 kHz. Owned and called by one pipeline; nothing is allocated per call. */
export class NativeDecoder implements OpusDecoder {
  readonly channels: 1 | 2;
  /** By this a fast path of the alsa addon decodes, while nobody calls this object. */
  readonly role: object;
  readonly #decoder: AddonDecoder;
  #closed = false;

  constructor(addon: OpusAddon, channels: 1 | 2) {
    if (channels !== 1 && channels !== 2) {
      throw new CodecError('opus_decoder_create', OPUS_BAD_ARG);
    }
    this.#decoder = construct('opus_decoder_create', () => new addon.Decoder(channels));
    this.role = this.#decoder.role();
    this.channels = channels;
  }

  /** Returns the frames written. A packet of more frames than `out` holds is an error. */
  decode(packet: Uint8Array, out: Int16Array): number {
    return this.#check('opus_decode', this.#decoder.decode(packet, out));
  }

  /**
   * The `frames` that were lost just before `nextPacket`, from its in-band FEC; concealed where it
   * carries none. Decode `nextPacket` itself afterwards.
   */
  decodeFec(nextPacket: Uint8Array, frames: number, out: Int16Array): number {
    return this.#check('opus_decode FEC', this.#decoder.decodeFec(nextPacket, frames, out));
  }

  /** Makes up exactly `frames` (a multiple of 120) for what was lost. */
  conceal(frames: number, out: Int16Array): number {
    return this.#check('opus_decode PLC', this.#decoder.conceal(frames, out));
  }

  /** The range coder's final state: equal to the encoder's after the same packet. */
  get finalRange(): number {
    return this.#decoder.finalRange();
  }

  reset(): void {
    this.#check('OPUS_RESET_STATE', this.#decoder.reset());
  }

  close(): void {
    this.#closed = true;
    this.#decoder.close();
  }

  #check(call: string, result: number): number {
    if (result >= 0) return result;
    throw this.#closed ? closedError(call) : new CodecError(call, result);
  }
}
