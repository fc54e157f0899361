import type { Config } from '@kvm-audio/daemon';
import type { PcmPlayback } from '@kvm-audio/native-alsa/alsa';
import { mediaRate, type PipelineTuning, type TuningChange } from '@kvm-audio/protocol';
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

/** How a playing card is opened, which changes while the process runs. */
export class PlaybackShape {
  readonly #config: Pick<Config, 'output' | 'realtime'>;
  readonly #target: PlayoutTarget;
  #bufferMs: number;
  #periodMs: number;
  /** Of the buffer, as the card was opened last. */
  #openedMs = 0;

  constructor(config: Pick<Config, 'output' | 'realtime'>, target: PlayoutTarget) {
    this.#config = config;
    this.#target = target;
    this.#bufferMs = config.output.bufferMs;
    this.#periodMs = config.output.periodMs;
  }

  tuning(): Pick<PipelineTuning, 'bufferMs' | 'bufferMsMin' | 'periodMs'> {
    const periodMs = this.#periodMs;
    const bufferMsMin = this.#fittingMs(2 * periodMs);
    return { bufferMs: this.#fittingMs(this.#bufferMs), bufferMsMin, periodMs };
  }

  /**
   * Also for a change of the target, once that has its new margin.
   *
   * @returns whether the card is to be opened anew.
   */
  change({ bufferMs, periodMs }: TuningChange): boolean {
    this.#bufferMs = bufferMs ?? this.#bufferMs;
    this.#periodMs = periodMs ?? this.#periodMs;
    const isReshaped = bufferMs !== undefined || periodMs !== undefined;
    return isReshaped || this.#fittingMs(this.#bufferMs) > this.#openedMs;
  }

  /** @param cardRate see CardRate. */
  open(cardRate: number | undefined): ConstructorParameters<typeof PcmPlayback>[0] {
    const { output, realtime } = this.#config;
    const target = this.#target;
    this.#openedMs = this.#fittingMs(this.#bufferMs);
    return {
      device: output.device,
      rate: mediaRate,
      channels: output.channels,
      ...(cardRate !== undefined && { cardRate }),
      periodFrames: Math.round(this.#periodMs * framesPerMs),
      bufferFrames: Math.round(this.#openedMs * framesPerMs),
      // What one packet decodes to.
      slotFrames: 0,
      slotFramesMax: packetMsMax * framesPerMs,
      slotCount: ringSlots,
      schedFifoPriority: realtime.fifoPriority,
      guardFrames,
      lowWaterFrames: target.lowWaterFrames,
      startSilenceFrames: target.goalFrames,
    };
  }

  /** The greatest margin and the longest packet fit into the device. */
  #fittingMs(bufferMs: number): number {
    return Math.max(bufferMs, this.#target.goalMsMax + packetMsMax);
  }
}
