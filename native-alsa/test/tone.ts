// Jest gives each file its own globals and looks them up by name: too slow for once a sample.
const { abs, cos, hypot, log10, max, sin, sqrt, PI, SQRT2 } = Math;

/** Mono, `amplitude` of 32,768. */
export function tone(hz: number, rate: number, frames: number, amplitude = 16_000): Int16Array {
  const step = (2 * PI * hz) / rate;
  const pcm = new Int16Array(frames);
  for (let i = 0; i < frames; i++) pcm[i] = Math.round(amplitude * sin(i * step));
  return pcm;
}

export type Fit = {
  amplitude: number;
  /** in turns, -0.5 to 0.5 */
  phase: number;
  /** what is left, under the tone: all of it, and its greatest sample */
  restDb: number;
  peakDb: number;
};

/**
 * The tone that fits best (least squares) to samples whose phases are given, in turns, up to a
 * common offset.
 */
export function fitTone(samples: ArrayLike<number>, turns: ArrayLike<number>): Fit {
  const { length } = samples;
  let [cc, cs, ss, xc, xs] = [0, 0, 0, 0, 0];
  for (let i = 0; i < length; i++) {
    const c = cos(2 * PI * turns[i]!);
    const s = sin(2 * PI * turns[i]!);
    cc += c * c;
    cs += c * s;
    ss += s * s;
    xc += samples[i]! * c;
    xs += samples[i]! * s;
  }
  const determinant = cc * ss - cs * cs;
  const a = (xc * ss - xs * cs) / determinant;
  const b = (xs * cc - xc * cs) / determinant;
  let power = 0;
  let peak = 0;
  for (let i = 0; i < length; i++) {
    const fitted = a * cos(2 * PI * turns[i]!) + b * sin(2 * PI * turns[i]!);
    const rest = samples[i]! - fitted;
    power += rest * rest;
    peak = max(peak, abs(rest));
  }
  const amplitude = hypot(a, b);
  return {
    amplitude,
    phase: Math.atan2(a, b) / (2 * PI),
    restDb: decibel(sqrt(power / length) / (amplitude / SQRT2)),
    peakDb: decibel(peak / amplitude),
  };
}

/** The power of all samples, under a tone of the given amplitude. */
export function levelDb(samples: ArrayLike<number>, amplitude = 16_000): number {
  let power = 0;
  for (let i = 0; i < samples.length; i++) power += samples[i]! ** 2;
  return decibel(sqrt(power / samples.length) / (amplitude / SQRT2));
}

export function decibel(ratio: number): number {
  return 20 * log10(ratio);
}
