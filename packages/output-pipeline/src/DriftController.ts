import { mediaRate } from '@kvm-audio/protocol';
import { DriftEstimate } from './DriftEstimate.js';

const framesPerMs = mediaRate / 1000;
/** Margins are taken over so long. */
export const intervalUs = 1_000_000;
/** Packets in an interval, at 2.5 ms each and with a burst on top; what is beyond is not looked at. */
const marginsMax = 512;
/** An interval with fewer packets says nothing. */
const marginsMin = 4;
/** If the last interval ended longer ago, nothing was played in between, nor paced. */
const apartUs = 5 * intervalUs;
/**
 * Of the PI controller: ppm per millisecond off, and ppm a second for each. Critically
 * damped with a natural frequency of 0.1/s: clocks that part by 300 ppm cost 1.1 ms at most.
 */
const gain = { proportional: 200, integral: 10 };
/** The most that the pitch may be off: a twelfth of a semitone. */
export const correctionPpmMax = 5_000;
/**
 * A shift is made within an interval where the most that the pace may be allows it; an interval
 * ends with a packet, so that a little is left, or too much was done.
 */
const shift = { ppmPerMs: 1e9 / intervalUs, ppmMax: 4_000, doneMs: 0.35 };
/** Clocks of sound cards and browsers part by ±300 ppm; more in the integral is wound up. */
const integralPpmMax = 600;
/** Clocks do not jump: what is so much farther off than an interval ago is somebody's step. */
const stepMs = 3;
/** So far off, for so many intervals: the resampler is worth its cost. */
const begin = { offMs: 1, intervals: 2 };
/** So close, for so many intervals more than not, with clocks this alike: it is not. */
const bypass = { offMs: 0.5, intervals: 20, driftPpm: 5 };
/** The same after a shift: the margin was held without, and will show what it needs. */
const bypassAfterShift = { intervals: 1 };

/**
 * Holds a stream's margin where it is by the pace at which it is played: a PI controller with
 * anti-windup, for clocks that part by a few ppm for ever. It sees the margin of each packet just
 * before the packet goes in, and holds the median of a second, so that stragglers do not count.
 * Where the margin should be is for others to say: they `shift` it. Knows no audio; its clock is
 * what it is told.
 */
export class DriftController {
  readonly #estimate = new DriftEstimate();
  readonly #margins = new Float64Array(marginsMax);
  #count = 0;
  #intervalEndUs = 0;
  #lastUs: number | undefined;
  /** Where the margin is held; undefined until an interval has shown it. */
  #heldMs: number | undefined;
  /** How far off it was, an interval ago. */
  #offMs = 0;
  /** Of a shift: by how much it is still to be moved, and the pace at which it is. */
  #shiftMs = 0;
  #shiftPpm = 0;
  #steering = false;
  /** It steers for a shift alone: the margin was held without. */
  #forShift = false;
  #intervals = 0;
  #integralPpm = 0;
  #correctionPpm = 0;
  /** Taken out of the stream by the corrections so far. */
  #removedMs = 0;

  /** What the resampler is to do: positive plays faster. 0 = bypass it. */
  get correctionPpm(): number {
    return this.#steering ? this.#correctionPpm : 0;
  }

  /** Of the source's clock against the card's, positive: it is faster. Undefined until known. */
  get driftPpm(): number | undefined {
    return this.#estimate.ppm;
  }

  /** It knows where the margin is: there is something to shift. */
  get isHolding(): boolean {
    return this.#heldMs !== undefined;
  }

  /** A shift is under way. */
  get isShifting(): boolean {
    return this.#shiftMs !== 0;
  }

  /** Another source, or a card that was opened anew: nothing is known of the clocks. */
  begin(): void {
    this.#estimate.reset();
    this.#steering = false;
    this.#intervals = 0;
    this.#integralPpm = 0;
    this.#correctionPpm = 0;
    this.#removedMs = 0;
    this.#lastUs = undefined;
    this.#letHold();
  }

  /** The margin makes a step that is no drift, and stays there: audio was put in or cut out. */
  step(): void {
    this.#estimate.step();
    // Only the clocks are what they were.
    this.#correctionPpm = this.#integralPpm;
    if (Math.abs(this.#integralPpm) < bypass.driftPpm) this.#steering = false;
    this.#letHold();
  }

  /** From now on the margin is to be so much more than it is, or less where it is negative. */
  shift(frames: number): void {
    // How far off it is goes by itself.
    if (this.#heldMs !== undefined) this.#shiftMs += frames / framesPerMs + this.#offMs;
  }

  /** With the first packet from then on the pace may change; 0 = the next one begins an interval. */
  get intervalEndUs(): number {
    return this.#intervalEndUs;
  }

  /** It leaves the pace alone, and nothing says that it will not. */
  get isAtRest(): boolean {
    return !this.#steering && !this.isShifting && this.#intervals === 0;
  }

  /**
   * A packet that came in its order finds so much margin, with what the resampler holds.
   *
   * @param isLive it came just now: a pace that is told takes effect with the next packet. Else no
   *   pace begins: what it does until the next interval ends would not be what is believed.
   */
  observe(marginFrames: number, nowUs: number, isLive = true): void {
    if (this.#intervalEndUs === 0) this.#intervalEndUs = nowUs + intervalUs;
    if (this.#count < marginsMax) this.#margins[this.#count++] = marginFrames;
    if (nowUs < this.#intervalEndUs) return;
    if (this.#count >= marginsMin) this.#onInterval(nowUs, isLive);
    this.#restart();
  }

  #letHold(): void {
    this.#heldMs = undefined;
    this.#offMs = 0;
    this.#shiftMs = 0;
    this.#shiftPpm = 0;
    this.#restart();
  }

  #restart(): void {
    this.#count = 0;
    this.#intervalEndUs = 0;
  }

  #onInterval(nowUs: number, isLive: boolean): void {
    const marginMs = this.#median() / framesPerMs;
    const elapsedS = this.#elapsedUs(nowUs) / 1e6;
    this.#lastUs = nowUs;
    // The median is that of the interval's middle: the pace has done half of its work by then.
    const removedMs = (this.correctionPpm / 1000) * elapsedS;
    const movedMs = (-this.#shiftPpm / 1000) * elapsedS;
    const offMs = this.#heldMs === undefined ? 0 : marginMs - this.#heldMs - movedMs / 2;
    if (Math.abs(offMs - this.#offMs) > stepMs) this.step();
    this.#estimate.add(nowUs / 1e6, marginMs + this.#removedMs + removedMs / 2);
    this.#removedMs += removedMs;
    if (this.#heldMs === undefined) {
      this.#heldMs = marginMs;
      return;
    }
    this.#heldMs += movedMs;
    this.#shiftMs -= movedMs;
    this.#offMs = offMs;
    if (this.#steering) this.#steer(offMs, elapsedS);
    else if (this.isShifting) {
      if (isLive) this.#beginShift(offMs);
    } else this.#look(offMs, isLive);
  }

  #elapsedUs(nowUs: number): number {
    if (this.#lastUs === undefined) return 0;
    const elapsedUs = nowUs - this.#lastUs;
    return elapsedUs > apartUs ? intervalUs : elapsedUs;
  }

  #beginShift(offMs: number): void {
    this.#begin(this.#estimate.ppm ?? 0);
    this.#forShift = true;
    this.#steer(offMs, 0);
  }

  #look(offMs: number, isLive: boolean): void {
    this.#intervals = Math.abs(offMs) > begin.offMs ? this.#intervals + 1 : 0;
    if (this.#intervals < begin.intervals || !isLive) return;
    this.#begin(this.#estimate.guessPpm);
    this.#steer(offMs, 0);
  }

  #begin(guessPpm: number): void {
    this.#intervals = 0;
    this.#steering = true;
    this.#forShift = false;
    this.#integralPpm = clamp(guessPpm, integralPpmMax);
    this.#correctionPpm = this.#integralPpm;
  }

  #steer(offMs: number, elapsedS: number): void {
    const integralPpm = this.#integralPpm + gain.integral * offMs * elapsedS;
    this.#integralPpm = clamp(integralPpm, integralPpmMax);
    if (Math.abs(this.#shiftMs) < shift.doneMs) this.#shiftMs = 0;
    this.#shiftPpm = clamp(-shift.ppmPerMs * this.#shiftMs, shift.ppmMax);
    const wanted = gain.proportional * offMs + this.#integralPpm + this.#shiftPpm;
    this.#correctionPpm = clamp(wanted, correctionPpmMax);
    const { ppm } = this.#estimate;
    const alike = ppm === undefined ? this.#forShift : Math.abs(ppm) < bypass.driftPpm;
    const isClose = alike && Math.abs(offMs) < bypass.offMs && !this.isShifting;
    this.#intervals = isClose ? this.#intervals + 1 : Math.max(0, this.#intervals - 1);
    if (this.#intervals < (this.#forShift ? bypassAfterShift : bypass).intervals) return;
    this.#intervals = 0;
    this.#steering = false;
  }

  #median(): number {
    const seen = this.#margins.subarray(0, this.#count).sort();
    return seen[seen.length >> 1] ?? 0;
  }
}

function clamp(value: number, most: number): number {
  return Math.max(-most, Math.min(most, value));
}
