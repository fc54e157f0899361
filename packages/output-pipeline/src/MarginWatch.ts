import { mediaRate } from '@kvm-audio/protocol';

export type Margins = {
  /** Unplayed audio wanted just before the next frame comes, in frames. */
  targetFrames: number;
  /** At or under this much unplayed audio a missing packet is concealed, in frames. */
  lowWaterFrames: number;
};

const framesPerMs = mediaRate / 1000;
/** With so much above the low water a packet is just in time, and the next one may not be. */
const scarceFrames = framesPerMs;
/** More than this over the goal, for a whole window, is too much: little at first, then rarely. */
const excessFrames = { first: 2 * framesPerMs, later: 5 * framesPerMs };
/** So much too much is a backlog, and goes at once. */
const backlogFrames = 60 * framesPerMs;
/** Over how long the least margin is watched: shortly after a start, then always. */
const windowUs = { first: 200_000, later: 1_000_000 };
const firstWindows = 3;
/** Every packet for so long, at so many times: the margin has changed for good. */
const lasting = { us: 80_000, arrivals: 4 };
/** Packets that come closer to each other are one burst. */
const burstUs = 1_000;
/** So often too late within so long: the source does it again and again. */
const repeated = { times: 5, withinUs: 2_000_000 };
/** So much over the scarce is what comes late again and again put. */
const raiseFrames = 2.5 * framesPerMs;
/** Later than this is a stall, and no measure for the margin. */
const latenessFramesMax = 40 * framesPerMs;
/** What was added for a source that is late again and again is kept for so long at least. */
const keepUs = 10_000_000;

/** Packets one after another on the same side of a limit. */
class Run {
  #arrivals = 0;
  #sinceUs = 0;
  #lastUs = 0;
  #mostFrames = 0;
  #leastFrames = 0;

  add(marginFrames: number, nowUs: number): void {
    if (this.#arrivals === 0) {
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
 * that lasts (clock skew, an xrun, a longer way) is followed once; what is late now and then is
 * not, a stall least of all. Knows no audio; its clock is what it is told.
 */
export class MarginWatch {
  #goalFrames = 0;
  readonly #scarceFrames: number;
  readonly #lowWaterFrames: number;
  readonly #scarce = new Run();
  readonly #backlog = new Run();
  /** The newest packets that came too late after one that did not: when, and how late. */
  readonly #late: { atUs: number; marginFrames: number }[] = [];
  #leastFrames = Number.POSITIVE_INFINITY;
  #windowEndUs = 0;
  #windows = 0;
  #keepUntilUs = 0;
  #wasLate = false;

  constructor({ targetFrames, lowWaterFrames }: Margins) {
    this.#lowWaterFrames = lowWaterFrames;
    this.#scarceFrames = lowWaterFrames + scarceFrames;
    this.setTarget(targetFrames);
  }

  /** What is too much for it is cut as at a start, whatever it was kept for. */
  setTarget(targetFrames: number): void {
    // A target that every packet would be too late for is none.
    this.#goalFrames = Math.max(targetFrames, this.#scarceFrames + scarceFrames);
    this.#windows = 0;
    this.#keepUntilUs = 0;
    this.#forget();
  }

  /** A stream starts, or starts anew. */
  begin(): void {
    this.#windows = 0;
    this.#windowEndUs = 0;
    this.#late.length = 0;
    this.#keepUntilUs = 0;
    this.#wasLate = false;
    this.#forget();
  }

  /** @returns the frames that are to be added now, or to be cut out where it is negative. */
  observe(marginFrames: number, nowUs: number): number {
    const change =
      this.#lastingChange(marginFrames, nowUs) ||
      this.#repeatedLateness(marginFrames, nowUs) ||
      this.#excess(marginFrames, nowUs);
    if (change !== 0) this.#forget();
    return Math.round(change);
  }

  #lastingChange(marginFrames: number, nowUs: number): number {
    if (marginFrames < this.#scarceFrames) this.#scarce.add(marginFrames, nowUs);
    else this.#scarce.forget();
    if (this.#scarce.isLasting(nowUs)) return this.#goalFrames - this.#scarce.mostFrames;
    if (marginFrames > this.#goalFrames + backlogFrames) this.#backlog.add(marginFrames, nowUs);
    else this.#backlog.forget();
    if (this.#backlog.isLasting(nowUs)) return this.#goalFrames - this.#backlog.leastFrames;
    return 0;
  }

  #repeatedLateness(marginFrames: number, nowUs: number): number {
    const wasLate = this.#wasLate;
    this.#wasLate = marginFrames < this.#lowWaterFrames;
    if (!this.#wasLate || wasLate || marginFrames < -latenessFramesMax) return 0;
    const late = this.#late;
    late.push({ atUs: nowUs, marginFrames });
    if (late.length < repeated.times) return 0;
    const first = late.shift();
    if (!first || nowUs - first.atUs > repeated.withinUs) return 0;
    // The latest of them may be an outlier; the others shall be in time from now on.
    const margins = [first, ...late].map((one) => one.marginFrames).sort((a, b) => a - b);
    late.length = 0;
    this.#keepUntilUs = nowUs + keepUs;
    return this.#scarceFrames + raiseFrames - (margins[1] ?? 0);
  }

  #excess(marginFrames: number, nowUs: number): number {
    this.#leastFrames = Math.min(this.#leastFrames, marginFrames);
    const starting = this.#windows < firstWindows;
    const lengthUs = starting ? windowUs.first : windowUs.later;
    if (this.#windowEndUs === 0) this.#windowEndUs = nowUs + lengthUs;
    if (nowUs < this.#windowEndUs) return 0;
    const excess = this.#leastFrames - this.#goalFrames;
    this.#windows += 1;
    this.#windowEndUs = 0;
    this.#leastFrames = Number.POSITIVE_INFINITY;
    const most = starting ? excessFrames.first : excessFrames.later;
    return excess > most && nowUs >= this.#keepUntilUs ? -excess : 0;
  }

  /** What was seen before a change says nothing about the time after it. */
  #forget(): void {
    this.#scarce.forget();
    this.#backlog.forget();
    this.#leastFrames = Number.POSITIVE_INFINITY;
    this.#windowEndUs = 0;
  }
}
