import { type Load, loadNative } from './loadNative.js';

/** libopus' encoder as src/opus/Encoder.h exposes it: negative results are OPUS_* codes. */
export interface AddonEncoder {
  /** `frames` is a legal Opus length, `out` the room for one packet; returns its bytes. */
  encode(pcm: Int16Array, frames: number, out: Uint8Array): number;
  set(request: number, value: number): number;
  get(request: number): number;
  /** The range coder's final state: equal to the decoder's after the same packet. */
  finalRange(): number;
  /** For a fast path of the alsa addon. */
  role(): object;
  reset(): number;
  close(): void;
}

/** libopus' decoder as src/opus/Decoder.h exposes it: frames, or OPUS_* codes where negative. */
export interface AddonDecoder {
  decode(packet: Uint8Array, out: Int16Array): number;
  decodeFec(nextPacket: Uint8Array, frames: number, out: Int16Array): number;
  conceal(frames: number, out: Int16Array): number;
  /** The range coder's final state: equal to the encoder's after the same packet. */
  finalRange(): number;
  /** For a fast path of the alsa addon. */
  role(): object;
  reset(): number;
  close(): void;
}

/**
 * libopus at 48 kHz, with its own numbers (opus_defines.h). `new` throws an Error that has libopus'
 * code as `opusCode`.
 */
export type OpusAddon = {
  /** as libopus says it, such as `libopus 1.3.1` */
  readonly version: string;
  readonly Encoder: new (application: number, channels: number) => AddonEncoder;
  readonly Decoder: new (channels: number) => AddonDecoder;
};

/** Loads the addon. `load` is given in tests. Throws: see loadNative. */
export function loadOpusAddon(load?: Load): OpusAddon {
  return loadNative('opus', [{ name: 'libopus', debian: 'libopus0' }], load) as OpusAddon;
}
