import { createRequire } from 'node:module';
import type { Failure } from './AlsaError.js';
import type { CardFormat } from './options.js';

/** Where things are in a stream's memory, as src/alsa/StreamMemory.h lays it out. */
export type Layout = Readonly<
  Record<
    // Int32 words
    | 'threadIndex'
    | 'inCallSince'
    | 'pitchMinPpm'
    | 'pitchMaxPpm'
    | 'pitchSetPpm'
    | 'pitchRefused'
    | 'jsIndex'
    | 'slotFrames'
    | 'guardFrames'
    | 'lowWaterFrames'
    | 'startSilenceFrames'
    | 'endOfStream'
    | 'stop'
    | 'pitchPpm'
    | 'kick'
    | 'sequence'
    | 'statistics'
    // 64-bit statistics, counted from `statistics`
    | 'statisticCount'
    | 'playoutStatisticCount'
    | 'wakeups'
    | 'pollRounds'
    | 'pollTimeouts'
    | 'lastProgressUs'
    | 'streaming'
    | 'xruns'
    | 'framesMoved'
    | 'framesDropped'
    | 'slotsFilled'
    | 'ringFullSlots'
    | 'silenceFrames'
    | 'underruns'
    | 'underrunUs'
    | 'deviceDelayFrames'
    | 'fillFrames'
    | 'fillUs'
    | 'beyondFrames'
    | 'advancing'
    | 'stopSeen'
    // bytes
    | 'headersByteOffset'
    | 'headerBytes'
    // of a fast path: rows of its log, values of a row, values of its state
    | 'fastPathRowsMax'
    | 'capturePathValues'
    | 'playoutPathValues'
    | 'playoutPathState'
    // bits of what a stream tells
    | 'opened'
    | 'wake'
    | 'failed'
    | 'ended',
    number
  >
>;

export type StreamOptions = {
  capture: boolean;
  device: string;
  rate: number;
  channels: number;
  cardRate: number;
  periodFrames: number;
  bufferFrames: number;
  slotFrames: number;
  slotFramesMax: number;
  slotCount: number;
  schedFifoPriority: number;
  guardFrames: number;
  lowWaterFrames: number;
  startSilenceFrames: number;
};

export type Memory = {
  buffer: ArrayBuffer;
  samplesByteOffset: number;
  slotStrideBytes: number;
};

/** What the card granted, as src/alsa/StreamOptions.h has it. */
export type GrantedParams = {
  rate: number;
  channels: number;
  format: CardFormat;
  periodFrames: number;
  bufferFrames: number;
  heldFrames: number;
  pitchMinPpm: number;
  pitchMaxPpm: number;
  cardName: string;
  priorityErrno: number;
};

/** One stream as src/alsa/Stream.h exposes it. */
export interface AddonStream {
  kick(): void;
  stop(): void;
  finish(ended: boolean): boolean;
  memory(): Memory;
  negotiated(): GrantedParams;
  failure(): Failure;
}

/** SpeexDSP's resampler as src/alsa/Resampler.h exposes it: codes are RESAMPLER_ERR_*, 0 = done. */
export interface AddonResampler {
  process(pcm: Int16Array, frames: number, out: Int16Array, counts: Int32Array): number;
  setRatio(
    viaNumerator: number,
    viaDenominator: number,
    numerator: number,
    denominator: number,
  ): number;
  inputLatency(): number;
  outputLatency(): number;
  reset(): number;
  close(): void;
}

/** See src/alsa/CaptureFastPath.h. */
export interface AddonCapturePath {
  engage(
    encoder: object,
    gates: readonly object[],
    packet: Uint8Array,
    ringIndex: number,
    slotFrames: number,
    seq: number,
    mediaTime: number,
    tellRows: number,
  ): void;
  disengage(state: Int32Array): number;
}

/** See src/alsa/PlayoutFastPath.h. */
export interface AddonPlayoutPath {
  engage(fd: number, decoder: object, resampler: object | null, state: Float64Array): void;
  disengage(state: Float64Array): number;
  rest(): Buffer;
}

export type Addon = {
  readonly layout: Layout;
  readonly CaptureFastPath: new (stream: AddonStream, rows: Float64Array) => AddonCapturePath;
  readonly PlayoutFastPath: new (
    stream: AddonStream,
    rows: Float64Array,
    history: Int16Array,
    historyFrames: number,
  ) => AddonPlayoutPath;
  readonly Stream: new (options: StreamOptions, onEvents: (bits: number) => void) => AddonStream;
  readonly Resampler: new (
    channels: number,
    inputRate: number,
    outputRate: number,
    quality: number,
  ) => AddonResampler;
};

/** Relative to this file both in lib/alsa/ and in dist/alsa/. */
const ADDON_PATH = '../../build/Release/alsa.node';

let loaded: Addon | undefined;

/** Loads the addon, once. `load` is given in tests. Throws an error that says what to do. */
export function loadAddon(load?: (path: string) => unknown): Addon {
  if (load !== undefined) return loadWith(load);
  loaded ??= loadWith(createRequire(import.meta.url));
  return loaded;
}

function loadWith(load: (path: string) => unknown): Addon {
  try {
    return load(ADDON_PATH) as Addon;
  } catch (error) {
    throw Object.assign(new Error(explainLoadFailure(error), { cause: error }), {
      code: 'ALSA_UNAVAILABLE',
    });
  }
}

function explainLoadFailure(error: unknown): string {
  const reason = error instanceof Error ? error.message : String(error);
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'MODULE_NOT_FOUND') return 'the alsa addon is not built: run `make build`';
  if (reason.includes('libasound.so')) {
    return `libasound is missing: install the package libasound2 (Debian, Ubuntu): ${reason}`;
  }
  if (reason.includes('libspeexdsp.so')) {
    return `libspeexdsp is missing: install the package libspeexdsp1 (Debian, Ubuntu): ${reason}`;
  }
  return `the alsa addon does not load: ${reason}`;
}
