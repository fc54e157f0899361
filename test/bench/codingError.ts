import { spectrumOf } from '../helpers/fft.js';
import type { Signal } from '../helpers/signal.js';

export type CodingError = {
  /** Noise over what the sound itself hides, mean of all frames and bands: under 0 is inaudible. */
  noiseToMaskDb: number;
  /** How far a band's loudness is off: root mean square of a frame's bands, mean of all frames. */
  spectralDistanceDb: number;
};

const rate = 48_000;
const size = 2_048;
const hop = size / 2;
/** Half a Bark each. */
const bandsPerBark = 2;
const lowestHz = 80;
/** A sine at full scale, as in BS.1387. */
const fullScaleDb = 92;
/** A frame that is softer than this under full scale is a pause. */
const pauseDb = -60;
/** Of a masker's slope towards lower bands, dB per Bark. */
const lowerSlopeDb = 27;

const barkOf = (hz: number): number => 7 * Math.asinh(hz / 650);
const decibels = (energy: number): number => 10 * Math.log10(Math.max(energy, 1e-30));
const energyOf = (db: number): number => 10 ** (db / 10);
const window = Float64Array.from(
  { length: size },
  (_, i) => 0.5 * (1 - Math.cos((2 * Math.PI * i) / size)),
);
/** Scales the largest line of a windowed full-scale sine to `fullScaleDb`. */
const calibration = energyOf(fullScaleDb) / (size / 4) ** 2;

/**
 * How much a codec's noise can be heard: what the basic version of PEAQ (ITU-R BS.1387-1, 2.1 and
 * 4.3) calls the noise-to-mask ratio, in half Barks: energies of the error over those of the
 * reference, spread over neighbouring bands with slopes that depend on the level (Terhardt), less
 * an offset of 3 dB (0.25 dB per Bark above 12 Bark). Absolute values are not PEAQ's; differences
 * between settings of one codec are what it is for.
 *
 * @param coded in time with the reference, full scale = 1 as that.
 * @param untilHz where the codec's bandwidth ends: what is above is no mistake.
 */
export function codingError(reference: Signal, coded: Signal, untilHz: number): CodingError {
  const bands = bandEdges(untilHz);
  const error = reference.map((sample, i) => sample - (coded[i] ?? 0));
  let ratios = 0;
  let distances = 0;
  let frames = 0;
  for (let at = 0; at + size <= reference.length; at += hop) {
    if (isPause(reference, at)) continue;
    const sound = bandEnergies(reference, at, bands);
    const noise = bandEnergies(error, at, bands);
    const heard = bandEnergies(coded, at, bands);
    const mask = maskOf(sound, bands);
    frames += 1;
    ratios += mean(mask.map((most, band) => (noise[band] ?? 0) / most));
    distances += Math.sqrt(mean(sound.map((energy, band) => loudnessError(energy, heard[band]!))));
  }
  return { noiseToMaskDb: decibels(ratios / frames), spectralDistanceDb: distances / frames };
}

/** What is softer than 20 dB is not heard: neither whether it is there. */
function loudnessError(sound: number, heard: number): number {
  return (Math.max(20, decibels(sound)) - Math.max(20, decibels(heard))) ** 2;
}

/** Of spectral lines, from each band's first to the next one's. */
function bandEdges(untilHz: number): number[] {
  const lowest = barkOf(lowestHz);
  const count = Math.floor((barkOf(untilHz) - lowest) * bandsPerBark);
  const hzAt = (bark: number): number => 650 * Math.sinh(bark / 7);
  return Array.from({ length: count + 1 }, (_, i) =>
    Math.round((hzAt(lowest + i / bandsPerBark) * size) / rate),
  );
}

function isPause(signal: Signal, at: number): boolean {
  let energy = 0;
  for (let i = at; i < at + size; i++) energy += signal[i]! ** 2;
  return decibels(energy / size) < pauseDb;
}

function bandEnergies(signal: Signal, at: number, edges: readonly number[]): number[] {
  const windowed = window.map((weight, i) => weight * (signal[at + i] ?? 0));
  const { re, im } = spectrumOf(windowed, size);
  return edges.slice(1).map((end, band) => {
    let energy = 0;
    for (let k = edges[band]!; k < end; k++) energy += re[k]! ** 2 + im[k]! ** 2;
    return energy * calibration;
  });
}

/** The most noise in each band that the sound and the threshold in quiet hide. */
function maskOf(sound: readonly number[], edges: readonly number[]): number[] {
  const centresHz = sound.map((_, band) => ((edges[band]! + edges[band + 1]!) / 2) * (rate / size));
  const spread = centresHz.map((hz) => energyOf(0.4 * 3.64 * (hz / 1_000) ** -0.8));
  sound.forEach((energy, from) => {
    const upperSlopeDb = Math.max(4, 24 + 230 / centresHz[from]! - 0.2 * decibels(energy));
    for (let to = 0; to < sound.length; to++) {
      const barks = (to - from) / bandsPerBark;
      const slope = barks < 0 ? lowerSlopeDb * barks : -upperSlopeDb * barks;
      spread[to] = spread[to]! + energy * energyOf(slope);
    }
  });
  return spread.map((energy, band) => {
    const bark = barkOf(centresHz[band]!);
    return energy / energyOf(bark <= 12 ? 3 : 0.25 * bark);
  });
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;
