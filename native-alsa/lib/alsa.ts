export type { AlsaErrorCode } from './alsa/AlsaError.js';
export { AlsaError } from './alsa/AlsaError.js';
export { monotonicUs } from './alsa/clock.js';
export type { Margins, Negotiated, PcmEvents, PcmOptions } from './alsa/options.js';
export type { CaptureCounters, CaptureSlot } from './alsa/PcmCapture.js';
export { PcmCapture } from './alsa/PcmCapture.js';
export type { PlaybackCounters, PlaybackSlot, Playout } from './alsa/PcmPlayback.js';
export { PcmPlayback } from './alsa/PcmPlayback.js';
