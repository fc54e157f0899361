import type { OpusDecoder } from '@kvm-audio/audio';
import { packetFlags } from '@kvm-audio/protocol';

/** A decoder that never throws: what is broken is made up for. */
export class PlayoutDecoder {
  readonly #decoder: OpusDecoder;

  constructor(decoder: OpusDecoder) {
    this.#decoder = decoder;
  }

  /** See OpusDecoder. */
  get role(): object | undefined {
    return this.#decoder.role;
  }

  /**
   * A new encoder's packet begins anew: on the state of the last one's it can reach full scale.
   *
   * @param flags of the packet
   * @returns false where the packet is broken.
   */
  decode(payload: Uint8Array, flags: number, frames: number, pcm: Int16Array): boolean {
    if (flags & packetFlags.discontinuity) this.#decoder.reset();
    try {
      this.#decoder.decode(payload, pcm);
      return true;
    } catch {
      this.#decoder.conceal(frames, pcm);
      return false;
    }
  }

  /** What was lost before `next`; whether that one is broken its own decoding will tell. */
  decodeFec(next: Uint8Array, frames: number, pcm: Int16Array): void {
    try {
      this.#decoder.decodeFec(next, frames, pcm);
    } catch {
      this.#decoder.conceal(frames, pcm);
    }
  }

  conceal(frames: number, pcm: Int16Array): void {
    this.#decoder.conceal(frames, pcm);
  }

  reset(): void {
    this.#decoder.reset();
  }
}
