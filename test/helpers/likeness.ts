import type { Signal } from './signal.js';

export type LikenessLimits = {
  /** How far the best match may lie from where it should, in samples. */
  toleranceFrames: number;
  /** A stretch of the reference counts where its RMS is at least this, full scale = 1 … */
  rmsMin: number;
  /** … and at least this much of the RMS around it: codec noise is spread over a whole frame. */
  rmsOfSurroundingsMin: number;
};

const stretchFrames = 240;
const hopFrames = 48;
const surroundingsFrames = 2_400;

export type Stretch = {
  /** First sample in the reference. */
  at: number;
  /**
   * Energy of the difference over the energy of the reference: 0 for the same, 1 for silence,
   * about 2 for something else.
   */
  error: number;
};

/** The error of each stretch of 5 ms in which the reference has energy, one a millisecond. */
export function likeness(reference: Signal, heard: Signal, limits: LikenessLimits): Stretch[] {
  const energy = runningEnergy(reference);
  const heardEnergy = runningEnergy(heard);
  const stretches: Stretch[] = [];
  const { toleranceFrames } = limits;
  const last = reference.length - stretchFrames - toleranceFrames;
  for (let at = toleranceFrames; at <= last; at += hopFrames) {
    const own = energy[at + stretchFrames]! - energy[at]!;
    if (!hasEnergy(energy, at, own, limits)) continue;
    let error = Number.POSITIVE_INFINITY;
    for (let lag = -toleranceFrames; lag <= toleranceFrames; lag++) {
      const from = at + lag;
      const other = heardEnergy[from + stretchFrames]! - heardEnergy[from]!;
      const difference = own + other - 2 * product(reference, at, heard, from);
      if (difference < error * own) error = difference / own;
    }
    stretches.push({ at, error });
  }
  return stretches;
}

function hasEnergy(energy: Float64Array, at: number, own: number, limits: LikenessLimits): boolean {
  const from = Math.max(0, at + (stretchFrames - surroundingsFrames) / 2);
  const to = Math.min(energy.length - 1, from + surroundingsFrames);
  const around = (energy[to]! - energy[from]!) / (to - from);
  const mean = own / stretchFrames;
  return mean >= limits.rmsMin ** 2 && mean >= limits.rmsOfSurroundingsMin ** 2 * around;
}

function product(a: Signal, fromA: number, b: Signal, fromB: number): number {
  let sum = 0;
  for (let i = 0; i < stretchFrames; i++) sum += a[fromA + i]! * b[fromB + i]!;
  return sum;
}

/** Entry n: the energy of the first n samples. */
function runningEnergy(signal: Signal): Float64Array {
  const sums = new Float64Array(signal.length + 1);
  for (let i = 0; i < signal.length; i++) sums[i + 1] = sums[i]! + signal[i]! ** 2;
  return sums;
}
