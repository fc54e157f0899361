import type { EncoderSettings } from '@kvm-audio/audio';

/** For music of two channels, by an encoder that expects no loss. */
export const musicEncoder: EncoderSettings = {
  bitrate: 128_000,
  complexity: 5,
  vbr: true,
  constrainedVbr: true,
  dtx: false,
  fec: false,
  expectedLossPercent: 0,
  signal: 'music',
  bandwidthMax: 'full',
  forcedChannels: 0,
};
