/** Complex numbers in two arrays of the same length, a power of two. */
export type Spectrum = { re: Float64Array; im: Float64Array };

export function powerOfTwoFrom(length: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(2, length)));
}

/** @param size the transform's length: a power of two, at least the signal's. */
export function spectrumOf(signal: ArrayLike<number>, size: number): Spectrum {
  const re = new Float64Array(size);
  re.set(signal);
  const spectrum = { re, im: new Float64Array(size) };
  transform(spectrum);
  return spectrum;
}

/** Overwrites the spectrum. @returns its signal's real part. */
export function signalOf({ re, im }: Spectrum): Float64Array {
  // The inverse is the transform with both parts exchanged.
  transform({ re: im, im: re });
  const scale = 1 / re.length;
  for (let i = 0; i < re.length; i++) re[i] = re[i]! * scale;
  return re;
}

/** So much of a signal, and of a circle, stays in the processor's own cache. */
const blockMax = 8_192;

/** In place, after Cooley and Tukey (1965): radix 2, decimation in time. */
function transform(spectrum: Spectrum): void {
  reverseBits(spectrum);
  const { length } = spectrum.re;
  const block = Math.min(length, blockMax);
  const small = circleOf(block);
  for (let from = 0; from < length; from += block) {
    for (let half = 1; half < block; half *= 2) {
      butterflies(spectrum, from, from + block, half, small);
    }
  }
  const whole = circleOf(length);
  for (let half = block; half < length; half *= 2) butterflies(spectrum, 0, length, half, whole);
}

type Circle = { cos: Float64Array; sin: Float64Array };
const circles = new Map<number, Circle>();

/** Half a turn, clockwise, in `length` / 2 steps. */
function circleOf(length: number): Circle {
  let circle = circles.get(length);
  if (circle) return circle;
  circle = { cos: new Float64Array(length / 2), sin: new Float64Array(length / 2) };
  for (let i = 0; i < length / 2; i++) {
    circle.cos[i] = Math.cos((2 * Math.PI * i) / length);
    circle.sin[i] = -Math.sin((2 * Math.PI * i) / length);
  }
  circles.set(length, circle);
  return circle;
}

function butterflies(
  { re, im }: Spectrum,
  from: number,
  to: number,
  half: number,
  { cos, sin }: Circle,
): void {
  const step = cos.length / half;
  for (let start = from; start < to; start += 2 * half) {
    for (let i = 0; i < half; i++) {
      const a = start + i;
      const b = a + half;
      const c = cos[i * step]!;
      const s = sin[i * step]!;
      const bRe = re[b]! * c - im[b]! * s;
      const bIm = re[b]! * s + im[b]! * c;
      re[b] = re[a]! - bRe;
      im[b] = im[a]! - bIm;
      re[a] = re[a]! + bRe;
      im[a] = im[a]! + bIm;
    }
  }
}

function reverseBits({ re, im }: Spectrum): void {
  for (let i = 1, j = 0; i < re.length; i++) {
    let bit = re.length >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i >= j) continue;
    const swapRe = re[i]!;
    re[i] = re[j]!;
    re[j] = swapRe;
    const swapIm = im[i]!;
    im[i] = im[j]!;
    im[j] = swapIm;
  }
}
