import type { JitterBuffer } from '@kvm-audio/audio';
import type { PlayoutEngagement } from '@kvm-audio/native-alsa/alsa';
import { type CardView, standstillUs } from './CardView.js';
import type { MarginKeeper } from './MarginKeeper.js';
import { backlogFrames, type MarginGoal, scarceFrames } from './MarginWatch.js';
import type { PlayoutChange } from './PlayoutChange.js';
import type { PlayoutDecoder } from './PlayoutDecoder.js';
import type { PlayoutWriter } from './PlayoutWriter.js';

/** What of a player says whether its stream is steady. */
export type SteadyParts = {
  card: CardView;
  jitter: JitterBuffer;
  decoder: PlayoutDecoder;
  writer: PlayoutWriter;
  margin: MarginKeeper;
  change: PlayoutChange;
  goal: MarginGoal;
};

/** Of an engagement, what depends on where the margin is to be. */
type Bounds = Pick<PlayoutEngagement, 'marginFramesMax' | 'scarceFrames'>;

/** Says when a player's stream goes on by itself, and what a fast path needs to carry it. */
export class SteadyStream {
  readonly #parts: SteadyParts;

  constructor(parts: SteadyParts) {
    this.#parts = parts;
  }

  /**
   * As the card was seen last.
   *
   * @returns undefined where what comes next needs more than to be decoded, or the player's parts
   *   cannot be lent.
   */
  engagement(historyEnd: number): PlayoutEngagement | undefined {
    const { card, jitter, decoder, writer, margin, change } = this.#parts;
    const next = jitter.plainNext;
    const { role } = decoder;
    const { isPlaying, silenceFrames, lookUs } = card;
    const { isSettled, isResampling, resamplerRole: resampler } = writer;
    if (change.frames !== 0 || margin.isStarting || !isSettled) return undefined;
    if (!isPlaying || !next || !role || (isResampling && !resampler)) return undefined;
    const { marginFramesMax, scarceFrames } = this.#bounds();
    return {
      decoder: role,
      resampler,
      ...next, // not first: each such literal would have a hidden class of its own
      historyEnd,
      marginFramesMax,
      scarceFrames,
      silenceFrames,
      standstillUs,
      tellAtUs: margin.paceEndUs(jitter.packetFrames, lookUs),
    };
  }

  /** Whether a stream at rest, for all that was told of it, needs nothing but this. */
  goesOn(engagement: Bounds): boolean {
    const { writer, margin, change } = this.#parts;
    if (change.frames !== 0 || !margin.isAtRest || writer.isResampling) return false;
    const { marginFramesMax, scarceFrames } = this.#bounds();
    return (
      marginFramesMax === engagement.marginFramesMax && scarceFrames === engagement.scarceFrames
    );
  }

  /** When a stream at rest is to be looked at, by a packet that comes then. */
  tellAtUs(nowUs: number): number {
    const { jitter, margin } = this.#parts;
    return margin.paceEndUs(jitter.packetFrames, nowUs);
  }

  #bounds(): Bounds {
    const { jitter, goal } = this.#parts;
    return {
      // A packet that ends a pause is for the player.
      marginFramesMax: jitter.pauses ? 0 : goal.goalFrames + backlogFrames / 2,
      scarceFrames: goal.lowWaterFrames + scarceFrames,
    };
  }
}
