import type { Signal } from '../helpers/signal.js';

/** Of the cards, nominally. */
export const rate = 48_000;
const chirpFrames = 960;
/** Inside the band of every level, and where a voice codec is at its best. */
const sweepHz = { from: 300, to: 3_400 };
const chirpGain = 0.5;
/** Under the chirps lies music, so that the codec works as it does in life. */
const musicGain = 0.2;
/** In no step with any frame length; rising and falling chirps take turns. */
export const chirpEveryFrames = 83 * 48;
/** Chirps of one kind are twice `chirpEveryFrames` apart: so far one search reaches. */
const latencyFramesMax = 150 * 48;
/** The last of so many is left out: by that a longer way is told, in steps of two chirps. */
const chirpsPerHole = 12;
/** From this part on it is sure where the holes are. */
const surePart = 0.8;
const likenessMin = 0.6;
/** The coarse search is done at 12 kHz. */
const coarse = 4;

export const isHole = (index: number): boolean => index % chirpsPerHole === chirpsPerHole - 1;

/**
 * What is played: stereo, a chirp at each multiple of `chirpEveryFrames` that is no hole, music
 * under them.
 */
export function makeChirpTrack(frames: number, music: Int16Array): Int16Array {
  const quiet = music.map((sample) => Math.round(sample * musicGain));
  const track = new Int16Array(2 * frames);
  for (let at = 0; at < track.length; at += quiet.length) {
    track.set(quiet.subarray(0, track.length - at), at);
  }
  for (let index = 0; (index + 1) * chirpEveryFrames <= frames; index++) {
    if (isHole(index)) continue;
    const chirp = chirps[index % 2]!;
    for (let i = 0; i < 2 * chirpFrames; i++) {
      const at = 2 * index * chirpEveryFrames + i;
      track[at] = track[at]! + Math.round(chirpGain * 32_767 * chirp[i >> 1]!);
    }
  }
  return track;
}

/** A sweep under a Hann window. */
function makeChirp(fromHz: number, toHz: number): Signal {
  const seconds = chirpFrames / rate;
  return Float64Array.from({ length: chirpFrames }, (_, i) => {
    const t = i / rate;
    const phase = 2 * Math.PI * (fromHz * t + ((toHz - fromHz) * t * t) / (2 * seconds));
    return Math.sin(phase) * 0.5 * (1 - Math.cos((2 * Math.PI * i) / chirpFrames));
  });
}

const chirps = [makeChirp(sweepHz.from, sweepHz.to), makeChirp(sweepHz.to, sweepHz.from)];
const coarseChirps = chirps.map((chirp) => decimate(chirp));

/** Where in a recording it would begin. */
export type DueChirp = { index: number; from: number };

/** Finds chirps in a recording, by normalised cross-correlation. */
export class ChirpFinder {
  readonly #heard: Signal;
  readonly #coarse: Signal;

  /** @param heard one channel at 48 kHz. */
  constructor(heard: Signal) {
    this.#heard = heard;
    this.#coarse = decimate(heard);
  }

  /**
   * @param due chirps and holes in order, with where each would begin if the way took no time.
   * @returns about how long the way is, rounded down to what `find` reaches from there, in frames.
   */
  delayOf(due: readonly DueChirp[]): number {
    const delays = Array.from(
      { length: chirpsPerHole / 2 },
      (_, step) => 2 * step * chirpEveryFrames,
    );
    let best = { delay: 0, score: Number.NEGATIVE_INFINITY };
    for (const delay of delays) {
      const found = (hole: boolean): number => {
        const some = due.filter(({ index }) => isHole(index) === hole);
        const heard = some.filter(
          ({ index, from }) => this.find(index, from + delay) !== undefined,
        );
        return heard.length / Math.max(1, some.length);
      };
      const score = found(false) - found(true);
      if (score > best.score) best = { delay, score };
      if (score > surePart) break;
    }
    return best.delay;
  }

  /**
   * @param from where in the recording it would begin if the way took no time.
   * @returns how long after that it begins, in frames with a fraction; undefined if it is lost.
   */
  find(index: number, from: number): number | undefined {
    const first = Math.max(0, Math.floor(from / coarse));
    const coarseChirp = coarseChirps[index % 2]!;
    const near = best(this.#coarse, coarseChirp, first, first + latencyFramesMax / coarse);
    const chirp = chirps[index % 2]!;
    const at = near.at * coarse;
    const { at: exact, likeness } = best(this.#heard, chirp, at - 2 * coarse, at + 2 * coarse);
    return likeness < likenessMin ? undefined : this.#peak(chirp, exact) - from;
  }

  /** Between samples: the top of the parabola through the three values around the best. */
  #peak(chirp: Signal, at: number): number {
    const [a, b, c] = [-1, 0, 1].map((step) => likenessAt(this.#heard, chirp, at + step)) as [
      number,
      number,
      number,
    ];
    const curve = a - 2 * b + c;
    return curve < 0 ? at + (0.5 * (a - c)) / curve : at;
  }
}

function best(heard: Signal, chirp: Signal, from: number, to: number) {
  let [at, likeness] = [from, Number.NEGATIVE_INFINITY];
  for (let i = from; i <= to; i++) {
    const value = likenessAt(heard, chirp, i);
    if (value > likeness) [at, likeness] = [i, value];
  }
  return { at, likeness };
}

function likenessAt(heard: Signal, chirp: Signal, at: number): number {
  let product = 0;
  let energyHeard = 0;
  let energyChirp = 0;
  for (let i = 0; i < chirp.length; i++) {
    const x = heard[at + i] ?? 0;
    const y = chirp[i]!;
    product += x * y;
    energyHeard += x * x;
    energyChirp += y * y;
  }
  return energyHeard > 0 ? product / Math.sqrt(energyHeard * energyChirp) : 0;
}

/** Each value is the mean of `coarse` samples. */
function decimate(signal: Signal): Signal {
  const out = new Float64Array(Math.floor(signal.length / coarse));
  for (let i = 0; i < out.length * coarse; i++) {
    const at = Math.floor(i / coarse);
    out[at] = out[at]! + signal[i]! / coarse;
  }
  return out;
}
