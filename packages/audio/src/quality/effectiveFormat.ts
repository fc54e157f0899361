import type { Application, FrameMs } from '@kvm-audio/protocol';
import type { Bandwidth, EncoderSettings } from '../codec/CodecBackend.js';
import { bitratePerChannelMax } from '../codec/encoderControls.js';
import {
  type Direction,
  type InputProfile,
  levelsApplication,
  profileRow,
  type QualityLevel,
  qualityTable,
} from './qualityLevels.js';

export type FormatRequest = {
  readonly direction: Direction;
  /** of the input; the output ignores it */
  readonly profile: InputProfile;
  readonly level: QualityLevel;
  /** set apart from the level */
  readonly frameMs?: FrameMs | undefined;
  /** instead of that of all levels */
  readonly application?: Application | undefined;
  readonly deviceChannels: 1 | 2;
};

/** What a level comes to on a device. Every encoder itself runs at 48 kHz and deviceChannels. */
export type EffectiveFormat = {
  readonly level: QualityLevel;
  /** nominal: what bandwidthMax lets through */
  readonly rate: 16_000 | 24_000 | 48_000;
  /** coded; never more than the device has */
  readonly channels: 1 | 2;
  readonly frameMs: FrameMs;
  /** bits per second */
  readonly bitrate: number;
  readonly application: Application;
  readonly signal: EncoderSettings['signal'];
  readonly bandwidthMax: Bandwidth;
  readonly forcedChannels: 0 | 1 | 2;
  readonly complexity: number;
  /** no packet of this frame length is longer, whatever the encoder does */
  readonly maxPacketBytes: number;
};

/** What a user may set besides the level. */
export type EncoderTuning = {
  readonly complexity?: number | undefined;
  readonly vbr?: boolean | undefined;
  readonly constrainedVbr?: boolean | undefined;
  readonly dtx?: boolean | undefined;
  readonly fec?: boolean | undefined;
  readonly expectedLossPercent?: number | undefined;
};

/** A nominal rate as an Opus audio bandwidth (RFC 6716, table 1). */
const bandwidths = { 16000: 'wide', 24000: 'superwide', 48000: 'full' } as const;

/** RFC 6716 §3.2.1: the longest a coded frame can be. */
const codedFrameBytesMax = 1275;

export function effectiveFormat(request: FormatRequest): EffectiveFormat {
  const { direction, profile, level, deviceChannels } = request;
  const row = qualityTable[level];
  const { bitrateKbps, rateHz, channels: wanted } = profileRow(direction, profile, level);
  const channels = deviceChannels === 1 ? 1 : wanted;
  const frameMs = request.frameMs ?? row.frameMs;
  return {
    level,
    rate: rateHz,
    channels,
    frameMs,
    bitrate: Math.min(bitrateKbps * 1000, bitratePerChannelMax * deviceChannels),
    application: request.application ?? levelsApplication,
    signal: row.signal,
    bandwidthMax: bandwidths[rateHz],
    forcedChannels: channels < deviceChannels ? channels : 0,
    complexity: row.complexity,
    maxPacketBytes: packetBytesMax(frameMs),
  };
}

/** The format as encoder settings; what the tuning leaves open is libopus' own default. */
export function encoderSettings(
  format: EffectiveFormat,
  tuning: EncoderTuning = {},
): EncoderSettings {
  return {
    bitrate: format.bitrate,
    complexity: tuning.complexity ?? format.complexity,
    vbr: tuning.vbr ?? true,
    constrainedVbr: tuning.constrainedVbr ?? true,
    dtx: tuning.dtx ?? false,
    fec: tuning.fec ?? false,
    expectedLossPercent: tuning.expectedLossPercent ?? 0,
    signal: format.signal,
    bandwidthMax: format.bandwidthMax,
    forcedChannels: format.forcedChannels,
  };
}

/** A TOC byte and a frame; past 20 ms several frames, with a count and two-byte lengths (§3.2.5). */
function packetBytesMax(frameMs: FrameMs): number {
  if (frameMs <= 20) return 1 + codedFrameBytesMax;
  const count = frameMs / 20;
  return 2 + 2 * (count - 1) + count * codedFrameBytesMax;
}
