import type { Application, FrameMs } from '@kvm-audio/protocol';
import type { EncoderSettings } from '../codec/CodecBackend.js';

export type QualityLevel = 'low' | 'medium' | 'high' | 'ultra';
export type Direction = 'output' | 'input';
/** What the input captures: a microphone, or a computer's sound (as the output plays it). */
export type InputProfile = 'microphone' | 'program';

export const qualityLevels: readonly QualityLevel[] = ['low', 'medium', 'high', 'ultra'];

export type ProfileRow = {
  readonly bitrateKbps: number;
  readonly rateHz: 16_000 | 24_000 | 48_000;
  readonly channels: 1 | 2;
};

export type LevelRow = {
  /** the output pipeline, and an input with the profile `program` */
  readonly program: ProfileRow;
  readonly microphone: ProfileRow;
  readonly frameMs: FrameMs;
  readonly signal: EncoderSettings['signal'];
  /** measured: docs/codec.md */
  readonly complexity: number;
};

/**
 * Of every level: libopus takes another application only before its first frame, and another
 * encoder would know nothing of the sound so far. What is for voice is so by `signal`.
 */
export const levelsApplication: Application = 'audio';

/** The quality levels. docs/codec.md has the table in words. */
export const qualityTable: Readonly<Record<QualityLevel, LevelRow>> = {
  low: {
    program: { bitrateKbps: 32, rateHz: 24_000, channels: 1 },
    microphone: { bitrateKbps: 16, rateHz: 16_000, channels: 1 },
    frameMs: 20,
    signal: 'voice',
    complexity: 3,
  },
  medium: {
    program: { bitrateKbps: 96, rateHz: 48_000, channels: 2 },
    microphone: { bitrateKbps: 64, rateHz: 48_000, channels: 1 },
    frameMs: 20,
    signal: 'auto',
    complexity: 4,
  },
  high: {
    program: { bitrateKbps: 192, rateHz: 48_000, channels: 2 },
    microphone: { bitrateKbps: 128, rateHz: 48_000, channels: 1 },
    frameMs: 20,
    signal: 'music',
    complexity: 4,
  },
  ultra: {
    program: { bitrateKbps: 320, rateHz: 48_000, channels: 2 },
    microphone: { bitrateKbps: 256, rateHz: 48_000, channels: 1 },
    frameMs: 10,
    signal: 'music',
    complexity: 4,
  },
};

export function isQualityLevel(value: unknown): value is QualityLevel {
  return typeof value === 'string' && Object.hasOwn(qualityTable, value);
}

/** The row that holds for a direction; the output has no profile of its own. */
export function profileRow(
  direction: Direction,
  profile: InputProfile,
  level: QualityLevel,
): ProfileRow {
  const row = qualityTable[level];
  return direction === 'input' && profile === 'microphone' ? row.microphone : row.program;
}
