import { mediaRate } from '@kvm-audio/protocol';

const framesPerMs = mediaRate / 1000;
/** Audio that was given out and can be repeated. */
export const historyFrames = 50 * framesPerMs;
/** Cross-fade from one place to another. */
const blendFrames = 5 * framesPerMs;
/** From what was given out last into silence, or into another sound. */
export const fadeFrames = 2.5 * framesPerMs;
/** How far from the wanted length a better seam is looked for. */
const searchFrames = { shorter: framesPerMs, longer: 4 * framesPerMs };
const cutSearchFrames = 2.5 * framesPerMs;
/** Less than this is not worth a seam. */
export const changeFramesMin = 2.5 * framesPerMs;

/** So much is given out until the history is moved back to the start of its memory. */
const travelFrames = 4 * historyFrames;

/** The most that is asked for at once, and that is added. */
const wantedFramesMax = historyFrames - searchFrames.longer;
export const addedFramesMax = historyFrames;

/** What was given out: `line[0, end)`, of which the newest `historyFrames` are kept. */
export interface PlayedLine {
  readonly line: Int16Array;
  /** In frames; whoever gives out moves it. */
  end: number;
}

/**
 * Makes audio longer by repeating what was just heard, or shorter by leaving some out, with a
 * cross-fade where the two sides are most alike. Keeps what was given out last; interleaved PCM.
 */
export class Splicer implements PlayedLine {
  readonly #channels: number;
  /** What was given out, up to #end, then what comes next. */
  readonly #line: Int16Array;
  /** Never so far on that the longest piece would find no room behind it. */
  #end = historyFrames;
  #nextFrames = 0;
  #shiftFrames = 0;

  constructor(channels: number, framesMax: number) {
    this.#channels = channels;
    this.#line = new Int16Array((historyFrames + travelFrames + framesMax) * channels);
  }

  get line(): Int16Array {
    return this.#line;
  }

  get end(): number {
    return this.#end;
  }

  set end(frames: number) {
    this.#end = frames;
  }

  /** Frames of what select() has made. */
  get frames(): number {
    return this.#nextFrames - this.#shiftFrames;
  }

  /** `pcm[offsetFrames, offsetFrames + frames)` is given out. */
  remember(pcm: Int16Array, offsetFrames: number, frames: number): void {
    const channels = this.#channels;
    if (this.#end + frames > historyFrames + travelFrames) this.#moveBack();
    const from = offsetFrames * channels;
    this.#line.set(pcm.subarray(from, from + frames * channels), this.#end * channels);
    this.#end += frames;
  }

  #moveBack(): void {
    const end = this.#end * this.#channels;
    this.#line.copyWithin(0, end - historyFrames * this.#channels, end);
    this.#end = historyFrames;
  }

  /** Fills `out` with what was given out last. */
  recall(out: Int16Array): void {
    const end = this.#end * this.#channels;
    out.set(this.#line.subarray(end - out.length, end));
  }

  forget(): void {
    this.#line.fill(0);
  }

  /** Fades into silence what was given out last, mirrored, at the start of `pcm`. */
  fadeOut(pcm: Int16Array, frames: number): void {
    pcm.fill(0, 0, frames * this.#channels);
    this.#blendMirrored(pcm, 0, Math.min(frames, fadeFrames));
  }

  /** What comes next has nothing to do with what was given out last: they are cross-faded. */
  join(pcm: Int16Array, offsetFrames: number, frames: number): void {
    this.#blendMirrored(pcm, offsetFrames, Math.min(frames, fadeFrames));
  }

  #blendMirrored(pcm: Int16Array, offsetFrames: number, frames: number): void {
    const channels = this.#channels;
    for (let frame = 0; frame < frames; frame++) {
      const weight = (frame + 1) / (frames + 1);
      for (let c = 0; c < channels; c++) {
        const at = (offsetFrames + frame) * channels + c;
        const before = this.#line[(this.#end - 1 - frame) * channels + c] ?? 0;
        pcm[at] = Math.round(before + ((pcm[at] ?? 0) - before) * weight);
      }
    }
  }

  /**
   * Takes a copy of what comes next and finds the best way to make it longer or shorter.
   *
   * @param changeFrames about so much is added, or is cut out where it is negative: at most half.
   * @returns the frames that are added in fact, negative where they are cut out.
   */
  select(pcm: Int16Array, offsetFrames: number, frames: number, changeFrames: number): number {
    const channels = this.#channels;
    const from = offsetFrames * channels;
    this.#line.set(pcm.subarray(from, from + frames * channels), this.#end * channels);
    this.#nextFrames = frames;
    this.#shiftFrames =
      changeFrames > 0 ? this.#repetition(changeFrames) : this.#cut(-changeFrames);
    return -this.#shiftFrames;
  }

  #repetition(wanted: number): number {
    const length = Math.min(wanted, wantedFramesMax);
    const least = Math.max(1, length - searchFrames.shorter);
    return -this.#mostAlike(length, least, length + searchFrames.longer, -1);
  }

  #cut(wanted: number): number {
    const half = Math.floor(this.#nextFrames / 2);
    const length = Math.min(wanted, half);
    const least = Math.max(1, length - cutSearchFrames);
    return this.#mostAlike(length, least, Math.min(half, length + cutSearchFrames), 1);
  }

  /** @returns the length in [least, most] that fits best, `wanted` where all are alike. */
  #mostAlike(wanted: number, least: number, most: number, sign: 1 | -1): number {
    let best = wanted;
    let bestDifference = this.#difference(sign * wanted, Number.POSITIVE_INFINITY);
    for (let length = least; length <= most; length++) {
      const difference = this.#difference(sign * length, bestDifference);
      if (difference >= bestDifference) continue;
      best = length;
      bestDifference = difference;
    }
    return best;
  }

  /** How unlike both sides of the seam are; it may stop counting at `limit`. */
  #difference(shift: number, limit: number): number {
    const line = this.#line;
    const from = this.#end * this.#channels;
    const count = this.#blendFrames(shift) * this.#channels;
    const other = from + shift * this.#channels;
    let sum = 0;
    for (let i = 0; i < count && sum < limit; i++) {
      const difference = (line[from + i] ?? 0) - (line[other + i] ?? 0);
      sum += difference * difference;
    }
    return sum;
  }

  #blendFrames(shift: number): number {
    return Math.min(blendFrames, this.#nextFrames, this.#nextFrames - shift);
  }

  /** Writes what select() made to the start of `pcm`: before anything more is remembered. */
  write(pcm: Int16Array): void {
    const channels = this.#channels;
    const line = this.#line;
    const blend = this.#blendFrames(this.#shiftFrames);
    const shifted = (this.#end + this.#shiftFrames) * channels;
    pcm.set(line.subarray(shifted, shifted + this.frames * channels));
    for (let frame = 0; frame < blend; frame++) {
      const weight = (frame + 1) / (blend + 1);
      for (let c = 0; c < channels; c++) {
        const at = frame * channels + c;
        const straight = line[(this.#end + frame) * channels + c] ?? 0;
        pcm[at] = Math.round(straight + ((pcm[at] ?? 0) - straight) * weight);
      }
    }
  }
}
