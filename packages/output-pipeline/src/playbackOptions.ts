import type { Config } from '@kvm-audio/daemon';
import type { Margins, PcmPlayback } from '@kvm-audio/native-alsa/alsa';
import { mediaRate } from '@kvm-audio/protocol';

const framesPerMs = mediaRate / 1000;
/** Longest packet that is accepted: the longest Opus frame. */
const packetMsMax = 60;
/** PCM that the ring can hold at the longest packet. */
const ringSlots = 16;
/** The card's thread puts in silence when the device holds only so much. */
const guardMs = 2;
/** So much is left when a missing packet is given up: the time to conceal it. */
const lowWaterMs = 4;

/** What of a playing card changes while the process runs. */
export type PlaybackShape = {
  /** The margin that is wanted. */
  targetMs: number;
  bufferMs: number;
  periodMs: number;
  /** What its resampler holds of what is queued: playing cannot go on with that. */
  heldFrames: number;
};

export function playbackMargins({ targetMs, heldFrames }: PlaybackShape): Margins {
  return {
    guardFrames: guardMs * framesPerMs,
    lowWaterFrames: lowWaterMs * framesPerMs + heldFrames,
    startSilenceFrames: Math.round(targetMs * framesPerMs),
  };
}

/** The margin and the longest packet fit into the device. */
export function deviceBufferMs({ bufferMs, targetMs }: PlaybackShape): number {
  return Math.max(bufferMs, targetMs + packetMsMax);
}

/** How the card is opened: a slot of its ring holds what one packet decodes to. */
export function playbackOptions(
  { output, realtime }: Pick<Config, 'output' | 'realtime'>,
  shape: PlaybackShape,
): ConstructorParameters<typeof PcmPlayback>[0] {
  return {
    device: output.device,
    rate: mediaRate,
    channels: output.channels,
    periodFrames: Math.round(shape.periodMs * framesPerMs),
    bufferFrames: Math.round(deviceBufferMs(shape) * framesPerMs),
    slotFrames: 0,
    slotFramesMax: packetMsMax * framesPerMs,
    slotCount: ringSlots,
    schedFifoPriority: realtime.fifoPriority,
    // Before the card is open nobody knows what its resampler holds.
    ...playbackMargins({ ...shape, heldFrames: 0 }),
  };
}
