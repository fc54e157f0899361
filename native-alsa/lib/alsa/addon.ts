import { type Library, type Load, loadNative } from '../loadNative.js';
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
    | 'pauses'
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
  harvest(state: Float64Array): number;
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

const libraries: readonly Library[] = [
  { name: 'libasound', debian: 'libasound2' },
  { name: 'libspeexdsp', debian: 'libspeexdsp1' },
];

let loaded: Addon | undefined;

/** Loads the addon, once. `load` is given in tests. Throws: see loadNative. */
export function loadAddon(load?: Load): Addon {
  if (load !== undefined) return loadNative('alsa', libraries, load) as Addon;
  loaded ??= loadNative('alsa', libraries) as Addon;
  return loaded;
}
