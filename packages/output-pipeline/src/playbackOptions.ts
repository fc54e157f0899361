import type { Config } from '@kvm-audio/daemon';
import type { PcmPlayback } from '@kvm-audio/native-alsa/alsa';
import { mediaRate, type PipelineTuning } from '@kvm-audio/protocol';
import type { PlayoutTarget } from './PlayoutTarget.js';

const framesPerMs = mediaRate / 1000;
/** Longest packet that is accepted: the longest Opus frame. */
const packetMsMax = 60;
/** PCM that the ring can hold at the longest packet. */
const ringSlots = 16;
/**
 * The card's thread puts in silence when the device holds only so much: it is woken in time by less
 * than that (its priority is real-time), and a card whose position is coarse has that on top.
 */
export const guardFrames = 1.5 * framesPerMs;

/** A packet that comes with so much above the low water is just in time. */
const scarceMs = 2;

/** What of a playing card changes while the process runs, besides the target. */
export type PlaybackShape = {
  bufferMs: number;
  periodMs: number;
};

/** The greatest margin and the longest packet fit into the device. */
export function deviceBufferMs(
  { bufferMs }: Pick<PlaybackShape, 'bufferMs'>,
  { goalMsMax }: PlayoutTarget,
): number {
  return Math.max(bufferMs, goalMsMax + packetMsMax);
}

/** What a pipeline tells of the device that can be changed. */
export function deviceTuning(
  shape: PlaybackShape,
  target: PlayoutTarget,
): Pick<PipelineTuning, 'bufferMs' | 'bufferMsMin' | 'periodMs'> {
  const { periodMs } = shape;
  const bufferMsMin = deviceBufferMs({ bufferMs: 2 * periodMs }, target);
  return { bufferMs: deviceBufferMs(shape, target), bufferMsMin, periodMs };
}

/** What a pipeline tells of its margin, `leastMarginMs` of which hardly a packet found less. */
export function targetTuning(
  target: PlayoutTarget,
  leastMarginMs: number,
): Pick<PipelineTuning, 'targetMs' | 'spareMs'> {
  const { goalFrames, leastGoalFrames, lowWaterFrames } = target;
  const unusedMs = leastMarginMs - lowWaterFrames / framesPerMs - scarceMs;
  const spareMs = Math.min(unusedMs, (goalFrames - leastGoalFrames) / framesPerMs);
  // A goal that follows the lateness has nothing to spare.
  return { targetMs: goalFrames / framesPerMs, spareMs: target.follows ? 0 : Math.max(0, spareMs) };
}

/** How the card is opened: a slot of its ring holds what one packet decodes to. */
export function playbackOptions(
  { output, realtime }: Pick<Config, 'output' | 'realtime'>,
  shape: PlaybackShape & {
    /** See CardRate. */
    cardRate: number | undefined;
  },
  target: PlayoutTarget,
): ConstructorParameters<typeof PcmPlayback>[0] {
  return {
    device: output.device,
    rate: mediaRate,
    channels: output.channels,
    ...(shape.cardRate !== undefined && { cardRate: shape.cardRate }),
    periodFrames: Math.round(shape.periodMs * framesPerMs),
    bufferFrames: Math.round(deviceBufferMs(shape, target) * framesPerMs),
    slotFrames: 0,
    slotFramesMax: packetMsMax * framesPerMs,
    slotCount: ringSlots,
    schedFifoPriority: realtime.fifoPriority,
    guardFrames,
    lowWaterFrames: target.lowWaterFrames,
    startSilenceFrames: target.goalFrames,
  };
}
