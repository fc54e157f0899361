import { limits, type StreamFormat } from '@kvm-audio/protocol';
import type { EffectiveFormat } from './quality/index.js';

/**
 * A format as the wire tells it.
 * @param lookaheadSamples the encoder's, at 48 kHz.
 */
export function toStreamFormat(format: EffectiveFormat, lookaheadSamples: number): StreamFormat {
  const { level, rate, channels, frameMs, bitrate, application } = format;
  return {
    codec: 'opus',
    level,
    rate,
    channels,
    frameMs,
    bitrate,
    application,
    maxPacketBytes: limits.packetPayloadBytesMax,
    lookaheadSamples,
    clock: 'monotonic',
  };
}
