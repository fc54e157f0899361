import type { Signal } from '../helpers/signal.js';

const rate = 48_000;
const chirpFrames = 960;
/** Inside the band of every level, and where a voice codec is at its best. */
const sweepHz = { from: 300, to: 3_400 };
const chirpGain = 0.5;
/** Under the chirps lies music, so that the codec works as it does in life. */
const musicGain = 0.2;
/** In no step with any frame length; rising and falling chirps take turns. */
export const chirpEveryFrames = 83 * 48;
/** Chirps of one kind are twice `chirpEveryFrames` apart: no longer way can be told. */
const latencyFramesMax = 150 * 48;
const likenessMin = 0.6;
/** The coarse search is done at 12 kHz. */
const coarse = 4;

/** What is played: stereo, a chirp at each multiple of `chirpEveryFrames`, music under them. */
export function makeChirpTrack(frames: number, music: Int16Array): Int16Array {
  const track = Int16Array.from({ length: 2 * frames }, (_, i) =>
    Math.round((music[i % music.length] ?? 0) * musicGain),
  );
  for (let index = 0; (index + 1) * chirpEveryFrames <= frames; index++) {
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
