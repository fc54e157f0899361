import { powerOfTwoFrom, signalOf, spectrumOf } from './fft.js';

// Jest gives each file its own globals and looks them up by name: too slow for once a sample.
const { log2, max, min } = Math;

/** Samples of one channel, full scale = 1. */
export type Signal = Float64Array;

/** One signal per channel from interleaved 16 bit samples. */
export function splitChannels(pcm: Int16Array, channels: number): Signal[] {
  const frames = Math.floor(pcm.length / channels);
  return Array.from({ length: channels }, (_, channel) => {
    const signal = new Float64Array(frames);
    for (let i = 0; i < frames; i++) signal[i] = pcm[i * channels + channel]! / 32_768;
    return signal;
  });
}

/** The mean of all channels, as Opus mixes stereo to mono. */
export function mixDown(signals: readonly Signal[]): Signal {
  const mono = new Float64Array(signals[0]!.length);
  for (const signal of signals) {
    for (let i = 0; i < mono.length; i++) mono[i] = mono[i]! + signal[i]! / signals.length;
  }
  return mono;
}

/** The greatest step from a sample to the next; a click is one. */
export function steepestStep(samples: ArrayLike<number>): number {
  let most = 0;
  for (let i = 1; i < samples.length; i++) {
    most = max(most, Math.abs(samples[i]! - samples[i - 1]!));
  }
  return most;
}

/** Keeps what lies between two frequencies; the edges are a third of an octave wide. */
export function bandLimit(signal: Signal, lowHz: number, highHz: number, rate: number): Signal {
  const size = powerOfTwoFrom(signal.length);
  const spectrum = spectrumOf(signal, size);
  for (let i = 0; i < size; i++) {
    const hz = (min(i, size - i) * rate) / size;
    const weight = edge(hz, lowHz) * edge(highHz, hz);
    spectrum.re[i] = spectrum.re[i]! * weight;
    spectrum.im[i] = spectrum.im[i]! * weight;
  }
  return signalOf(spectrum).slice(0, signal.length);
}

/** 0 where `value` is well under `limit`, 1 where it is well over it, smooth between. */
function edge(value: number, limit: number): number {
  if (value <= 0) return limit <= 0 ? 1 : 0;
  if (limit <= 0) return 1;
  const octaves = log2(value / limit) * 3;
  const x = min(1, max(0, octaves + 0.5));
  return x * x * (3 - 2 * x);
}

/** Normalised: 1 for the same signal at any volume, 0 for signals that have nothing in common. */
export function correlation(a: Signal, b: Signal): number {
  let product = 0;
  let energyA = 0;
  let energyB = 0;
  for (let i = 0; i < a.length; i++) {
    const x = a[i]!;
    const y = b[i]!;
    product += x * y;
    energyA += x * x;
    energyB += y * y;
  }
  return energyA > 0 && energyB > 0 ? product / Math.sqrt(energyA * energyB) : 0;
}

/**
 * Where in `recording` the signal `reference` begins, by cross-correlation.
 * @returns a number of samples from 0 to the difference of both lengths.
 */
export function findIn(recording: Signal, reference: Signal): number {
  // What wraps round comes behind the last place where all of the reference finds room.
  const size = powerOfTwoFrom(recording.length);
  const a = spectrumOf(recording, size);
  const b = spectrumOf(reference, size);
  for (let i = 0; i < size; i++) {
    const re = a.re[i]! * b.re[i]! + a.im[i]! * b.im[i]!;
    a.im[i] = a.im[i]! * b.re[i]! - a.re[i]! * b.im[i]!;
    a.re[i] = re;
  }
  const product = signalOf(a);
  let best = 0;
  for (let lag = 1; lag <= recording.length - reference.length; lag++) {
    if (product[lag]! > product[best]!) best = lag;
  }
  return best;
}
