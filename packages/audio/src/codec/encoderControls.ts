import { type Application, frameLengthsMs, mediaRate } from '@kvm-audio/protocol';
import type { EncoderSettings } from './CodecBackend.js';
import { CodecError, OPUS_BAD_ARG } from './CodecError.js';

/** One control of opus_defines.h: `set` is its request, and `set + 1` the one that reads it. */
export type Control = { readonly call: string; readonly set: number; readonly value: number };

const OPUS_AUTO = -1000;

/** libopus' own bounds, in bits per second (opus_encoder.c). */
export const bitrateMin = 500;
export const bitratePerChannelMax = 300_000;

/** 2.5 to 60 ms at 48 kHz (RFC 6716 §2.1.4). */
export const frameLengths: ReadonlySet<number> = new Set(
  frameLengthsMs.map((ms) => (ms * mediaRate) / 1000),
);

export const applicationNumbers = {
  voip: 2048,
  audio: 2049,
  lowdelay: 2051,
} as const satisfies Record<Application, number>;
const signals = { auto: OPUS_AUTO, voice: 3001, music: 3002 } as const;
const bandwidths = { narrow: 1101, medium: 1102, wide: 1103, superwide: 1104, full: 1105 } as const;

export const GET_LOOKAHEAD = 4027;
export const GET_FINAL_RANGE = 4031;
export const RESET_STATE = 4028;

export const controlNames = [
  'bitrate',
  'complexity',
  'vbr',
  'constrainedVbr',
  'dtx',
  'fec',
  'expectedLossPercent',
  'signal',
  'bandwidthMax',
  'forcedChannels',
] as const satisfies readonly (keyof EncoderSettings)[];

/**
 * The settings as libopus' controls. Everything is checked before anything is applied, so that a
 * refused change leaves the encoder as it was. Throws CodecError (CODEC_BAD_ARGUMENT).
 */
export function controlsOf(settings: EncoderSettings, channels: 1 | 2): Control[] {
  const { bitrate, complexity, expectedLossPercent, forcedChannels } = settings;
  return [
    control(
      'OPUS_SET_BITRATE',
      4002,
      integer(bitrate, bitrateMin, bitratePerChannelMax * channels),
    ),
    control('OPUS_SET_COMPLEXITY', 4010, integer(complexity, 0, 10)),
    control('OPUS_SET_VBR', 4006, Number(settings.vbr)),
    control('OPUS_SET_VBR_CONSTRAINT', 4020, Number(settings.constrainedVbr)),
    control('OPUS_SET_DTX', 4016, Number(settings.dtx)),
    control('OPUS_SET_INBAND_FEC', 4012, Number(settings.fec)),
    control('OPUS_SET_PACKET_LOSS_PERC', 4014, integer(expectedLossPercent, 0, 100)),
    control('OPUS_SET_SIGNAL', 4024, signals[settings.signal]),
    control('OPUS_SET_MAX_BANDWIDTH', 4004, bandwidths[settings.bandwidthMax]),
    control('OPUS_SET_FORCE_CHANNELS', 4022, channelsOf(forcedChannels, channels)),
  ];
}

/** The settings that an encoder says it has; `get` reads one request. */
export function settingsOf(get: (request: number) => number): EncoderSettings {
  const forced = get(4023);
  return {
    bitrate: get(4003),
    complexity: get(4011),
    vbr: get(4007) === 1,
    constrainedVbr: get(4021) === 1,
    dtx: get(4017) === 1,
    fec: get(4013) === 1,
    expectedLossPercent: get(4015),
    signal: nameOf(signals, get(4025)),
    bandwidthMax: nameOf(bandwidths, get(4005)),
    forcedChannels: forced === 1 || forced === 2 ? forced : 0,
  };
}

function control(call: string, set: number, value: number | undefined): Control {
  if (value === undefined) throw new CodecError(call, OPUS_BAD_ARG);
  return { call, set, value };
}

function channelsOf(forced: number, channels: 1 | 2): number | undefined {
  return forced === 0 ? OPUS_AUTO : integer(forced, 1, channels);
}

function integer(value: number, min: number, max: number): number | undefined {
  return Number.isInteger(value) && value >= min && value <= max ? value : undefined;
}

function nameOf<Name extends string>(table: Readonly<Record<Name, number>>, value: number): Name {
  for (const name in table) if (table[name] === value) return name;
  throw new CodecError('get', OPUS_BAD_ARG, { message: `unknown value ${value}` });
}
