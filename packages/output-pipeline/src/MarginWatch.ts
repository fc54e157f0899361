import { mediaRate } from '@kvm-audio/protocol';

/** What the margin is to be. */
export interface MarginGoal {
  /** Unplayed audio wanted when a punctual packet comes, in frames. */
  readonly goalFrames: number;
  /** The same for the latest packet, where the goal covers its lateness. */
  readonly leastFrames: number;
  /** More than this over it, for a whole window, is too much, and under it too little. */
  readonly slackFrames: number;
  /** At or under this much unplayed audio a missing packet is concealed, in frames. */
  readonly lowWaterFrames: number;
  /** The stream has moved on its time for good. */
  rebase(): void;
}

const framesPerMs = mediaRate / 1000;
/** With so much above the low water a packet is just in time, and the next one may not be. */
export const scarceFrames = framesPerMs;
/** So much under the goal is worth a seam. */
export const missingFramesMin = 2.5 * framesPerMs;
/** The same at a start, when a cut is not heard. */
const startSlackFrames = 2 * framesPerMs;
/** So much too much is a backlog, and goes at once. */
export const backlogFrames = 60 * framesPerMs;
/** Over how long the margin is watched: shortly after a start, then always. */
const windowUs = { first: 200_000, later: 1_000_000 };
const firstWindows = 3;
/** Every packet for so long, at so many times: the margin has changed for good. */
const lasting = { us: 80_000, arrivals: 4 };
/** Packets that come closer to each other are one burst. */
const burstUs = 1_000;
/** Who gains so much from packet to packet was held up, and catches up. */
const catchUpFrames = 8 * framesPerMs;
/** The share of the newest margin in the mean that is told. */
const meanGain = 1 / 16;

/** Packets one after another on the same side of a limit. */
class Run {
  #arrivals = 0;
  #sinceUs = 0;
  #lastUs = 0;
  #mostFrames = 0;
  #leastFrames = 0;

  add(marginFrames: number, nowUs: number): void {
    const catchesUp = marginFrames < 0 && marginFrames > this.#mostFrames + catchUpFrames;
    if (this.#arrivals === 0 || catchesUp) {
      this.#arrivals = 0;
      this.#sinceUs = nowUs;
      this.#mostFrames = this.#leastFrames = marginFrames;
    }
    if (this.#arrivals === 0 || nowUs - this.#lastUs > burstUs) this.#arrivals += 1;
    this.#lastUs = nowUs;
    this.#mostFrames = Math.max(this.#mostFrames, marginFrames);
    this.#leastFrames = Math.min(this.#leastFrames, marginFrames);
  }

  forget(): void {
    this.#arrivals = 0;
  }

  get mostFrames(): number {
    return this.#mostFrames;
  }

  get leastFrames(): number {
    return this.#leastFrames;
  }

  isLasting(nowUs: number): boolean {
    return this.#arrivals >= lasting.arrivals && nowUs - this.#sinceUs >= lasting.us;
  }
}

/**
 * Decides when a stream is to be later or sooner by how much, from the margin that each packet
 * finds: the time until its first sample is to be heard, negative where that has passed. A change
 * that lasts (clock skew, a longer way, another goal) is followed once; what is late now and then
 * is not, a stall least of all. Knows no audio; its clock is what it is told.
 */
export class MarginWatch {
  readonly #goal: MarginGoal;
  readonly #scarce = new Run();
  readonly #backlog = new Run();
  /** Of this window: the least margin, and the margins that punctual packets would have found. */
  #leastFrames = Number.POSITIVE_INFINITY;
  #leastPunctualFrames = Number.POSITIVE_INFINITY;
  #mostPunctualFrames = Number.NEGATIVE_INFINITY;
  #windowEndUs = 0;
  #windows = 0;
  #meanFrames: number | undefined;

  constructor(goal: MarginGoal) {
    this.#goal = goal;
  }

  /** The margin that packets found lately, a mean; undefined before the first. */
  get meanFrames(): number | undefined {
    return this.#meanFrames;
  }

  /** Its first windows are short, and what they decide is carried out before it is heard. */
  get isStarting(): boolean {
    return this.#windows < firstWindows;
  }

  /** A stream starts, or starts anew. */
  begin(): void {
    this.#windows = 0;
    this.#meanFrames = undefined;
    this.#forget();
  }

  /**
   * @param lateFrames by how much the packet is later than a punctual one
   * @returns the frames that are to be added now, or to be cut out where it is negative.
   */
  observe(marginFrames: number, lateFrames: number, nowUs: number): number {
    const mean = this.#meanFrames ?? marginFrames;
    this.#meanFrames = mean + (marginFrames - mean) * meanGain;
    const change =
      this.#lastingChange(marginFrames, nowUs) ||
      this.#shortage(marginFrames, marginFrames + lateFrames) ||
      this.#windowChange(marginFrames, marginFrames + lateFrames, nowUs);
    if (change !== 0) this.#forget();
    return Math.round(change);
  }

  #lastingChange(marginFrames: number, nowUs: number): number {
    const { goalFrames, lowWaterFrames } = this.#goal;
    if (marginFrames < lowWaterFrames + scarceFrames) this.#scarce.add(marginFrames, nowUs);
    else this.#scarce.forget();
    if (marginFrames > goalFrames + backlogFrames) this.#backlog.add(marginFrames, nowUs);
    else this.#backlog.forget();
    if (this.#backlog.isLasting(nowUs)) return goalFrames - this.#backlog.leastFrames;
    if (!this.#scarce.isLasting(nowUs)) return 0;
    this.#goal.rebase();
    return goalFrames - this.#scarce.mostFrames;
  }

  /** A packet that is late already says the time: what was made up in its place can stay. */
  #shortage(marginFrames: number, punctualFrames: number): number {
    const { goalFrames, lowWaterFrames } = this.#goal;
    const missing = goalFrames - punctualFrames;
    return marginFrames < lowWaterFrames && missing >= missingFramesMin ? missing : 0;
  }

  #windowChange(marginFrames: number, punctualFrames: number, nowUs: number): number {
    this.#leastFrames = Math.min(this.#leastFrames, marginFrames);
    this.#leastPunctualFrames = Math.min(this.#leastPunctualFrames, punctualFrames);
    this.#mostPunctualFrames = Math.max(this.#mostPunctualFrames, punctualFrames);
    const starting = this.isStarting;
    if (this.#windowEndUs === 0) {
      this.#windowEndUs = nowUs + (starting ? windowUs.first : windowUs.later);
    }
    if (nowUs < this.#windowEndUs) return 0;
    this.#windows += 1;
    const change = starting ? this.#startChange() : this.#settledChange();
    this.#forgetWindow();
    return change;
  }

  #startChange(): number {
    const excess = this.#leastFrames - this.#goal.goalFrames;
    return excess > startSlackFrames ? -excess : 0;
  }

  #settledChange(): number {
    const { goalFrames, leastFrames, slackFrames } = this.#goal;
    const excess = Math.min(
      this.#leastPunctualFrames - goalFrames,
      this.#leastFrames - leastFrames,
    );
    if (excess > slackFrames) return -excess;
    const missing = goalFrames - this.#mostPunctualFrames;
    return missing > Math.min(slackFrames, missingFramesMin) ? missing : 0;
  }

  /** What was seen before a change says nothing about the time after it. */
  #forget(): void {
    this.#scarce.forget();
    this.#backlog.forget();
    this.#forgetWindow();
  }

  #forgetWindow(): void {
    this.#leastFrames = Number.POSITIVE_INFINITY;
    this.#leastPunctualFrames = Number.POSITIVE_INFINITY;
    this.#mostPunctualFrames = Number.NEGATIVE_INFINITY;
    this.#windowEndUs = 0;
  }
}
