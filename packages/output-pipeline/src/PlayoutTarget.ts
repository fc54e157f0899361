import { mediaRate, packetFlags, type ReceivedPacket } from '@kvm-audio/protocol';
import { Lateness } from './Lateness.js';
import { LatenessHistogram } from './LatenessHistogram.js';

export type PlayoutTargetOptions = {
  /** Fixes the goal; without it, it follows the lateness. */
  fixedMs: number | undefined;
  /** The goal never goes above. What comes later than it can cover is a stall, and not chased. */
  mostMs: number;
};

const framesPerMs = mediaRate / 1000;
/**
 * By the source: one on this machine loses nothing, so that its low water can be lower. What is
 * late there is a wake-up. Any machine has some of a few milliseconds now and then, without a sign
 * beforehand: they are covered from the start, more of them where a longer frame makes the delay
 * long anyway. A busy one has later ones, each cheaper than a longer delay; what is rarely later
 * than `rarelyMsMax` does not move the way from card to card beyond 50 ms.
 */
const sourceKinds = {
  local: {
    startMs: 10,
    lowWaterMs: 3.5,
    leastOverLowWaterMs: 2,
    leastShareOfFrame: 0.13,
    outliersPerMinute: 10,
    rarelyMsMax: 16,
  },
  remote: {
    startMs: 20,
    lowWaterMs: 5,
    leastOverLowWaterMs: 2,
    leastShareOfFrame: 0,
    outliersPerMinute: 1,
    rarelyMsMax: Infinity,
  },
} as const;
/** Of packets that are late rarely, and of those that are so often that each counts. */
const quantiles = { rarely: 0.995, often: 0.95 } as const;
/** Between the low water and the lateness that is to be in time. */
const spareMs = 1;
/** For so long a source is not known well enough to go below the start. */
const warmUpUs = 10_000_000;
/** A share of the frame while following: of a short one's delay a whole millisecond is much. */
const slackMs = { following: { share: 0.1, least: 0.5, most: 1 }, fixed: 5 };
/** It is looked at so often, and at once where a packet came later than it covers. */
const lookUs = 200_000;
/** The goal falls by so much a second, and by this share of itself. */
const fall = { msPerSecond: 2, sharePerSecond: 0.05 };

/**
 * How much audio is to be unplayed when a punctual packet comes: one goal for the jitter buffer,
 * the ring and the device together. It covers the lateness of the stream, compared with the
 * earliest packets of the last seconds: of all packets but one in 200, and of all but the latest
 * of the last minute. So an outlier is made up for, and another of its kind is followed at once;
 * the way down is slow. Knows no audio; its clock is what it is told.
 */
export class PlayoutTarget {
  readonly #options: PlayoutTargetOptions;
  /** What the card's resampler holds of what is queued: playing cannot go on with that. */
  #heldFrames = 0;
  readonly #lateness = new Lateness();
  readonly #histogram = new LatenessHistogram();
  #kind: keyof typeof sourceKinds = 'remote';
  #frameMs = 0;
  #goalMs: number;
  #sinceUs: number | undefined;
  #steeredUs = 0;

  constructor(options: PlayoutTargetOptions) {
    this.#options = { ...options };
    this.#goalMs = this.#startMs();
  }

  /** Unplayed audio that a punctual packet shall find. */
  get goalFrames(): number {
    return Math.round(this.#goalMs * framesPerMs);
  }

  /** The same for a packet as late as the goal covers; a fixed goal is meant for that one. */
  get leastFrames(): number {
    if (this.#options.fixedMs !== undefined) return this.goalFrames;
    return (this.#lowWaterMs() + spareMs) * framesPerMs;
  }

  /** So much over it is left alone: what is fixed need not be met to the millisecond. */
  get slackFrames(): number {
    const { share, least, most } = slackMs.following;
    const followingMs = Math.max(least, Math.min(most, share * this.#frameMs));
    return (this.follows ? followingMs : slackMs.fixed) * framesPerMs;
  }

  /** At or under this much unplayed audio a missing packet is made up. */
  get lowWaterFrames(): number {
    return this.#lowWaterMs() * framesPerMs;
  }

  /** The least that the goal can be. */
  get leastGoalFrames(): number {
    return Math.round(this.#leastGoalMs() * framesPerMs);
  }

  /** The most that the goal can be, in milliseconds. */
  get goalMsMax(): number {
    return this.#options.fixedMs ?? this.#options.mostMs;
  }

  /** Whether the goal follows the lateness. */
  get follows(): boolean {
    return this.#options.fixedMs === undefined;
  }

  /** The goal, where it is fixed; else the most that it may be. */
  set(ms: number): void {
    if (this.follows) this.#options.mostMs = ms;
    else this.#options.fixedMs = ms;
    this.#goalMs = this.#bounded(this.#goalMs);
    if (!this.follows) this.#goalMs = this.#startMs();
  }

  /** @param frames of what is queued, what playing cannot go on with. */
  setHeld(frames: number): void {
    this.#heldFrames = frames;
    this.#goalMs = this.#bounded(this.#goalMs);
  }

  #lowWaterMs(): number {
    return sourceKinds[this.#kind].lowWaterMs + this.#heldFrames / framesPerMs;
  }

  #startMs(): number {
    return this.#bounded(this.#options.fixedMs ?? sourceKinds[this.#kind].startMs);
  }

  #bounded(ms: number): number {
    return Math.max(Math.min(ms, this.goalMsMax), this.#leastGoalMs());
  }

  #leastGoalMs(): number {
    const { leastOverLowWaterMs, leastShareOfFrame } = sourceKinds[this.#kind];
    return this.#lowWaterMs() + leastOverLowWaterMs + leastShareOfFrame * this.#frameMs;
  }

  /** Another source: what is known of the last one says nothing. */
  reset(): void {
    this.#histogram.clear();
    this.#lateness.reset();
    this.#sinceUs = undefined;
  }

  /** The stream's time has moved, and stays so: who is punctual is to be found anew. */
  rebase(): void {
    this.#lateness.rebase();
    this.#histogram.forgetNewest();
  }

  /** @returns by how many frames it is late; undefined for a copy. */
  observe(packet: ReceivedPacket, frames: number, nowUs: number): number | undefined {
    if (frames !== this.#frameMs * framesPerMs) this.#changeFrame(frames);
    this.#sinceUs ??= this.#begin(packet, nowUs);
    if (packet.flags & packetFlags.discontinuity) this.rebase();
    const lateUs = this.#lateness.observe(packet, nowUs);
    if (lateUs === undefined) return undefined;
    const lateMs = lateUs / 1000;
    const coverable = lateMs <= this.goalMsMax - this.#lowWaterMs() - spareMs;
    if (coverable && !this.#lateness.follows) this.#histogram.add(lateMs, nowUs);
    const isCovered = lateMs + spareMs + this.#lowWaterMs() <= this.#goalMs;
    if (this.follows && !(isCovered && nowUs - this.#steeredUs < lookUs)) {
      this.#steer(nowUs, this.#sinceUs);
    }
    return lateMs * framesPerMs;
  }

  /** A longer frame is complete later, for good: punctual is another time from now on. */
  #changeFrame(frames: number): void {
    if (this.#frameMs > 0) this.rebase();
    this.#frameMs = frames / framesPerMs;
    this.#goalMs = this.follows ? this.#bounded(this.#goalMs) : this.#startMs();
  }

  #begin({ captureTimeUs }: ReceivedPacket, nowUs: number): number {
    this.#kind = captureTimeUs === undefined ? 'remote' : 'local';
    this.#goalMs = this.#startMs();
    this.#steeredUs = nowUs;
    return nowUs;
  }

  #steer(nowUs: number, sinceUs: number): void {
    const { outliersPerMinute, rarelyMsMax } = sourceKinds[this.#kind];
    const rarelyMs = Math.max(
      this.#histogram.quantileMs(quantiles.rarely, nowUs),
      this.#histogram.latestButMs(outliersPerMinute, nowUs),
    );
    const oftenMs = this.#histogram.quantileMs(quantiles.often, nowUs);
    const lateMs = Math.max(Math.min(rarelyMs, rarelyMsMax), oftenMs);
    const neededMs = this.#bounded(lateMs + spareMs + this.#lowWaterMs());
    const wantedMs = nowUs - sinceUs < warmUpUs ? Math.max(neededMs, this.#startMs()) : neededMs;
    const fallMs = fall.msPerSecond + fall.sharePerSecond * this.#goalMs;
    const lowestMs = this.#goalMs - (fallMs * (nowUs - this.#steeredUs)) / 1e6;
    this.#goalMs = Math.max(wantedMs, lowestMs);
    this.#steeredUs = nowUs;
  }
}
