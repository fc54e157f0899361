import { createRequire } from 'node:module';
import { CodecError, OPUS_UNIMPLEMENTED } from './errors.js';

/** libopus' encoder as src/opus/Encoder.h exposes it: negative results are OPUS_* codes. */
export interface AddonEncoder {
  encode(pcm: Int16Array, frames: number, out: Uint8Array): number;
  set(request: number, value: number): number;
  get(request: number): number;
  finalRange(): number;
  /** For a fast path of the alsa addon. */
  role(): object;
  reset(): number;
  close(): void;
}

/** libopus' decoder as src/opus/Decoder.h exposes it. */
export interface AddonDecoder {
  decode(packet: Uint8Array, out: Int16Array): number;
  decodeFec(nextPacket: Uint8Array, frames: number, out: Int16Array): number;
  conceal(frames: number, out: Int16Array): number;
  finalRange(): number;
  /** For a fast path of the alsa addon. */
  role(): object;
  reset(): number;
  close(): void;
}

export type Addon = {
  readonly version: string;
  readonly Encoder: new (application: number, channels: number) => AddonEncoder;
  readonly Decoder: new (channels: number) => AddonDecoder;
};

/** Relative to this file both in lib/opus/ and in dist/opus/. */
const ADDON_PATH = '../../build/Release/opus.node';

/** Loads the addon. `load` is given in tests. Throws a CodecError with code CODEC_UNAVAILABLE. */
export function loadAddon(load: (path: string) => unknown = loadFromHere): Addon {
  try {
    return load(ADDON_PATH) as Addon;
  } catch (error) {
    throw new CodecError('load', OPUS_UNIMPLEMENTED, {
      code: 'CODEC_UNAVAILABLE',
      message: explainLoadFailure(error),
    });
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
