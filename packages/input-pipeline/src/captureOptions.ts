import type { Config } from '@kvm-audio/daemon';
import type { PcmCapture } from '@kvm-audio/native-alsa/alsa';
import { mediaRate } from '@kvm-audio/protocol';

const framesPerMs = mediaRate / 1000;
const frameMsMax = 60;
/** Frames that the capture ring can hold: what a stall of this process may last. */
const ringSlots = 16;

/** What of a capturing card changes while the process runs. */
export type CaptureShape = {
  periodMs: number;
  bufferMs: number;
};

/** How the card is opened: a slot of its ring is one Opus frame. */
export function captureOptions(
  { input, realtime }: Pick<Config, 'input' | 'realtime'>,
  {
    periodMs,
    bufferMs,
    cardRate,
    frameMs,
  }: CaptureShape & {
    /** See CardRate. */
    cardRate: number | undefined;
    frameMs: number;
  },
): ConstructorParameters<typeof PcmCapture>[0] {
  return {
    device: input.device,
    rate: mediaRate,
    channels: input.channels === 1 ? 1 : 2,
    ...(cardRate !== undefined && { cardRate }),
    periodFrames: Math.round(Math.min(periodMs, frameMs) * framesPerMs),
    bufferFrames: Math.round(bufferMs * framesPerMs),
    slotFrames: frameMs * framesPerMs,
    slotFramesMax: frameMsMax * framesPerMs,
    slotCount: ringSlots,
    // Its thread encodes, too, which is long: the playing card's is to go before it.
    schedFifoPriority: Math.max(0, realtime.fifoPriority - 1),
    guardFrames: 0,
    lowWaterFrames: 0,
    startSilenceFrames: 0,
  };
}
