import { mediaRate } from '@kvm-audio/protocol';
import { DriftEstimate } from './DriftEstimate.js';

const framesPerMs = mediaRate / 1000;
/** Margins are taken over so long. */
const intervalUs = 1_000_000;
/** Packets in an interval, at 2.5 ms each and with a burst on top; what is beyond is not looked at. */
const marginsMax = 512;
/** An interval with fewer packets says nothing. */
const marginsMin = 4;
/**
 * Of the PI controller: ppm per millisecond off, and ppm a second for each. Critically
 * damped with a natural frequency of 0.1/s: clocks that part by 300 ppm cost 1.1 ms at most.
 */
const gain = { proportional: 200, integral: 10 };
/** The most that the pitch may be off: a twelfth of a semitone. */
const correctionPpmMax = 5_000;
/** Clocks of sound cards and browsers part by ±300 ppm; more in the integral is wound up. */
const integralPpmMax = 600;
/** Farther off than this it is a shift, not the clocks: the integral waits. */
const integralOffMsMax = 4;
/** So far off, for so many intervals: the resampler is worth its cost. */
const begin = { offMs: 1, intervals: 2 };
/** So close, for so many intervals, with clocks this alike: it is not. */
const bypass = { offMs: 0.5, intervals: 30, driftPpm: 5 };

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
  #offMs = 0;
  #steering = false;
  #inARow = 0;
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
    return Math.abs(this.#offMs) > begin.offMs;
  }

  /** Another source, or a card that was opened anew: nothing is known of the clocks. */
  begin(): void {
    this.#estimate.reset();
    this.#steering = false;
    this.#inARow = 0;
    this.#integralPpm = 0;
    this.#correctionPpm = 0;
    this.#removedMs = 0;
    this.#lastUs = undefined;
    this.#heldMs = undefined;
    this.#offMs = 0;
    this.#restart();
  }

  /** The margin makes a step that is no drift, and stays there: audio was put in or cut out. */
  step(): void {
    this.#estimate.step();
    this.#heldMs = undefined;
    this.#offMs = 0;
    this.#restart();
  }

  /** From now on the margin is to be so much more, or less where it is negative. */
  shift(frames: number): void {
    if (this.#heldMs === undefined) return;
    this.#heldMs += frames / framesPerMs;
    this.#offMs -= frames / framesPerMs;
  }

  /** A packet that came in its order finds so much margin. */
  observe(marginFrames: number, nowUs: number): void {
    if (this.#intervalEndUs === 0) this.#intervalEndUs = nowUs + intervalUs;
    if (this.#count < marginsMax) this.#margins[this.#count++] = marginFrames;
    if (nowUs < this.#intervalEndUs) return;
    if (this.#count >= marginsMin) this.#onInterval(nowUs);
    this.#restart();
  }

  #restart(): void {
    this.#count = 0;
    this.#intervalEndUs = 0;
  }

  #onInterval(nowUs: number): void {
    const marginMs = this.#median() / framesPerMs;
    this.#heldMs ??= marginMs;
    const offMs = marginMs - this.#heldMs;
    this.#offMs = offMs;
    const elapsedS = this.#lastUs === undefined ? 0 : (nowUs - this.#lastUs) / 1e6;
    this.#lastUs = nowUs;
    this.#removedMs += (this.correctionPpm / 1000) * elapsedS;
    this.#estimate.add(nowUs / 1e6, marginMs + this.#removedMs);
    if (this.#steering) this.#steer(offMs, elapsedS);
    else this.#look(offMs);
  }

  #look(offMs: number): void {
    this.#inARow = Math.abs(offMs) > begin.offMs ? this.#inARow + 1 : 0;
    if (this.#inARow < begin.intervals) return;
    this.#inARow = 0;
    this.#steering = true;
    this.#integralPpm = clamp(this.#estimate.guessPpm, integralPpmMax);
    this.#steer(offMs, 0);
  }

  #steer(offMs: number, elapsedS: number): void {
    if (Math.abs(offMs) < integralOffMsMax) {
      const integralPpm = this.#integralPpm + gain.integral * offMs * elapsedS;
      this.#integralPpm = clamp(integralPpm, integralPpmMax);
    }
    const wanted = gain.proportional * offMs + this.#integralPpm;
    this.#correctionPpm = clamp(wanted, correctionPpmMax);
    const alike = Math.abs(this.#estimate.ppm ?? Number.POSITIVE_INFINITY) < bypass.driftPpm;
    this.#inARow = alike && Math.abs(offMs) < bypass.offMs ? this.#inARow + 1 : 0;
    if (this.#inARow < bypass.intervals) return;
    this.#inARow = 0;
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
