import type { OpusDecoder } from '@kvm-audio/audio';

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

  /** @returns false where the packet is broken. */
  decode(packet: Uint8Array, frames: number, pcm: Int16Array): boolean {
    try {
      this.#decoder.decode(packet, pcm);
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
