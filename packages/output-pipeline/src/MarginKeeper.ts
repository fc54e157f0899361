import { mediaRate } from '@kvm-audio/protocol';
import { DriftController, intervalUs } from './DriftController.js';
import { type MarginGoal, MarginWatch, missingFramesMin } from './MarginWatch.js';

const framesPerMs = mediaRate / 1000;
/**
 * Too much delay goes by the pace, within some five seconds, and what is missing comes so where it
 * is little; more than this is cut out.
 */
const shiftFramesMax = 20 * framesPerMs;
/** A packet that is told later than this is not live: see DriftController. */
const liveUs = 100_000;
/** While nothing is to be done to the pace it is looked at so often, if not for a report. */
const restUs = 2_750_000;
/** Before the pace can be told, more than this is. */
const cutFramesMin = 5 * framesPerMs;

/**
 * Keeps a stream's margin at its goal: in steps where it is far off, by the pace at which it is
 * played where it is not, and where two clocks part.
 */
export class MarginKeeper {
  readonly #watch: MarginWatch;
  readonly #drift = new DriftController();

  constructor(goal: MarginGoal) {
    this.#watch = new MarginWatch(goal);
  }

  /** See DriftController. */
  get driftPpm(): number | undefined {
    return this.#drift.driftPpm;
  }

  /** By so much the stream is to be played faster than the card's own pace. */
  get correctionPpm(): number {
    return this.#drift.correctionPpm;
  }

  /** The margin that packets found lately, a mean; undefined before the first. */
  get meanFrames(): number | undefined {
    return this.#watch.meanFrames;
  }

  /** See MarginWatch. */
  get isStarting(): boolean {
    return this.#watch.isStarting;
  }

  /** It leaves the pace alone, and nothing says that it will not. */
  get isAtRest(): boolean {
    return !this.isStarting && this.#drift.isAtRest;
  }

  /**
   * When the pace may change next, by a packet of this length that came at `nowUs`: who plays the
   * following packets elsewhere is to be back then.
   */
  paceEndUs(packetFrames: number, nowUs: number): number {
    const { intervalEndUs, isAtRest } = this.#drift;
    if (isAtRest) return nowUs + restUs;
    if (intervalEndUs > 0) return intervalEndUs;
    // It ends with the packet that comes an interval after the next one, or with the one behind.
    return nowUs + intervalUs + (1.5 * packetFrames * 1000) / framesPerMs;
  }

  /** Another source, or none. */
  begin(): void {
    this.#watch.begin();
    this.#drift.begin();
  }

  /** A new timeline of the same source. */
  restart(): void {
    this.#watch.begin();
    this.#drift.step();
  }

  /** Somebody else has moved the stream, and it stays there. */
  step(): void {
    this.#drift.step();
  }

  /**
   * @param marginFrames that a packet finds, in its order
   * @param lateFrames by how much it is later than a punctual one
   * @param resamplerFrames beside the margin: they come and go with the correction
   * @param toldLateUs so long ago it was: a packet that was carried is told later
   * @returns the frames to put in now, negative: to cut out
   */
  observe(
    marginFrames: number,
    lateFrames: number,
    resamplerFrames: number,
    nowUs: number,
    toldLateUs = 0,
  ): number {
    const change = this.#changeFor(marginFrames, lateFrames, nowUs);
    if (change !== 0) this.#drift.step();
    else
      this.#drift.observe(marginFrames + lateFrames + resamplerFrames, nowUs, toldLateUs < liveUs);
    return change;
  }

  #changeFor(marginFrames: number, lateFrames: number, nowUs: number): number {
    const change = this.#watch.observe(marginFrames, lateFrames, nowUs);
    if (change >= missingFramesMin || change < -shiftFramesMax) return change;
    if (!this.#drift.isHolding) return change < -cutFramesMin ? change : 0;
    // Clocks that part take it away; else a goal that has grown a little covers what comes anyway.
    if (change > 0 && this.#drift.correctionPpm === 0) return 0;
    if (change !== 0 && !this.#drift.isShifting) this.#drift.shift(change);
    return 0;
  }
}
