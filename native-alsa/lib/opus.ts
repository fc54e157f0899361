import { createRequire } from 'node:module';

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

/** Relative to this file both in lib/ and in dist/. */
const addonPath = '../build/Release/opus.node';

/**
 * Loads the addon. `load` is given in tests.
 *
 * @throws Error that says what to install or to build.
 */
export function loadOpusAddon(load: (path: string) => unknown = loadFromHere): OpusAddon {
  try {
    return load(addonPath) as OpusAddon;
  } catch (error) {
    throw new Error(explainLoadFailure(error), { cause: error });
  }
}

function loadFromHere(path: string): unknown {
  return createRequire(import.meta.url)(path);
}

function explainLoadFailure(error: unknown): string {
  const reason = error instanceof Error ? error.message : String(error);
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'MODULE_NOT_FOUND') return 'the opus addon is not built: run `make build`';
  if (reason.includes('libopus.so')) {
    return `libopus is missing: install the package libopus0 (Debian, Ubuntu): ${reason}`;
  }
  return `the opus addon does not load: ${reason}`;
}
