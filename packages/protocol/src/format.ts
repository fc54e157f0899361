import { type Check, integer, nullable, oneOf, type Shaped, shape } from './fields.js';
import { limits } from './limits.js';

export const directions = ['output', 'input'] as const;
/** output = playback, input = capture, as seen from the device. */
export type Direction = (typeof directions)[number];

export const qualityLevels = ['low', 'medium', 'high', 'ultra'] as const;
export type QualityLevel = (typeof qualityLevels)[number];

export const applications = ['audio', 'voip', 'lowdelay'] as const;
/** Opus application (RFC 6716 §2): lowdelay saves 4 ms of look-ahead and has no FEC. */
export type Application = (typeof applications)[number];

export const frameLengthsMs = [2.5, 5, 10, 20, 40, 60] as const;
export type FrameMs = (typeof frameLengthsMs)[number];

/** All wire times are counted at this rate, whatever the level's nominal rate is. */
export const mediaRate = 48_000;

const streamFormatFields = {
  codec: oneOf(['opus']),
  level: oneOf(qualityLevels),
  /** Nominal sample rate in Hz: twice the audio bandwidth that the level keeps. */
  rate: integer(8_000, mediaRate),
  channels: integer(1, 2),
  frameMs: oneOf(frameLengthsMs),
  /** Bits a second. */
  bitrate: integer(500, 512_000),
  application: oneOf(applications),
  maxPacketBytes: integer(1, limits.packetPayloadBytesMax),
  /** Encoder's look-ahead in 48 kHz samples: the codec's own delay. */
  lookaheadSamples: integer(0, mediaRate),
  /** What captureTimeUs is measured on; nil where the sender has no clock of this machine. */
  clock: nullable(oneOf(['monotonic'])),
};

/** The stream as it is now; told in the reply to `hello` and in `format.changed`. */
export type StreamFormat = Shaped<typeof streamFormatFields>;
export const checkStreamFormat: Check<StreamFormat> = shape(streamFormatFields);
