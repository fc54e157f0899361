/**
 * How a moving ratio is told to SpeexDSP 1.2.1 (libspeexdsp/resample.c). It takes a fraction, input
 * over output, and keeps its place between two samples in units of one denominator-th. So:
 *
 * - speex_resampler_set_rate_frac() cancels the fraction, and a new denominator rounds the place
 *   down to the new unit; at 1/1 that is a jump of up to a sample. Hence one denominator for all
 *   ratios, a prime of which no numerator is a multiple: nothing can be cancelled.
 * - A numerator near a million makes one step of it one ppm.
 * - It converts the place by `place * new denominator / old denominator` in 32 bits, and refuses
 *   (RESAMPLER_ERR_OVERFLOW, https://github.com/xiph/speexdsp/pull/55) what does not fit, which is
 *   nearly every place where the denominator is a million, even when it stays the same. Hence a
 *   detour by a denominator, `via`, whose product with the other one does fit. It rounds the place
 *   down by 1/`via` of an input sample at most: at 1:1 1/4,289, for 997 Hz 90 dB under the tone.
 * - Whatever the denominator, each call computes the whole sinc table anew, so the detour doubles
 *   that. A denominator over `oversample` (4 to 32) means a table that is interpolated from; its
 *   size does not depend on the denominator, so that nothing is allocated when the ratio moves.
 */
export type RateFraction = {
  readonly denominator: number;
  readonly via: number;
};

const UINT32_MAX = 2 ** 32 - 1;
const numeratorAbout = 1_000_000;
/**
 * Keeps the denominator times filter length or `oversample` within 32 bits, and `via` from becoming
 * too coarse. Reached below 1:6, where a step is more than 1 ppm.
 */
const denominatorMax = 6_000_000;
/** The product with any denominator that two rates up to 192 kHz have by themselves fits, too. */
const viaMax = 20_000;

/** @param ratio input rate / output rate. */
export function rateFraction(ratio: number): RateFraction {
  const denominator = primeUpTo(Math.min(denominatorMax, numeratorAbout / ratio));
  return { denominator, via: primeUpTo(Math.min(viaMax, UINT32_MAX / denominator)) };
}

/** The nearest numerator that the denominator, a prime, shares no factor with. */
export function numeratorFor(ratio: number, denominator: number): number {
  const nearest = Math.round(ratio * denominator);
  if (nearest === 0) return 1;
  if (nearest % denominator !== 0) return nearest;
  return nearest > ratio * denominator ? nearest - 1 : nearest + 1;
}

function primeUpTo(limit: number): number {
  let candidate = Math.floor(limit);
  while (!isPrime(candidate)) candidate--;
  return candidate;
}

function isPrime(value: number): boolean {
  for (let factor = 2; factor * factor <= value; factor++) {
    if (value % factor === 0) return false;
  }
  return true;
}
