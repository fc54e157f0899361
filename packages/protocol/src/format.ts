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
  /** Quality level that is set. */
  level: oneOf(qualityLevels),
  /** Nominal sample rate in Hz, 8,000 to 48,000: twice the audio bandwidth that the level keeps. */
  rate: integer(8_000, mediaRate),
  /** 1 or 2. */
  channels: integer(1, 2),
  /** Length of a packet's audio in milliseconds. */
  frameMs: oneOf(frameLengthsMs),
  /** Bits a second, 500 to 512,000. */
  bitrate: integer(500, 512_000),
  /** What the encoder is tuned for. */
  application: oneOf(applications),
  /** Longest payload of a packet in bytes, 1 to 4,096. */
  maxPacketBytes: integer(1, limits.packetPayloadBytesMax),
  /** Encoder's look-ahead in 48 kHz samples: the codec's own delay. */
  lookaheadSamples: integer(0, mediaRate),
  /** What captureTimeUs is measured on; nil where the sender has no clock of this machine. */
  clock: nullable(oneOf(['monotonic'])),
};

/**
 * The stream as it is now; told in the reply to `hello` and in `format.changed`.
 * @interface
 */
export type StreamFormat = Shaped<typeof streamFormatFields>;
export const checkStreamFormat: Check<StreamFormat> = shape(streamFormatFields);
