import { numeratorFor, rateFraction } from './rateFraction.js';

const rates = [8_000, 16_000, 22_050, 32_000, 44_100, 44_101, 48_000, 88_200, 96_000, 192_000];
const pairs = rates.flatMap((input) => rates.map((output) => [input, output] as const));

function commonFactor(a: number, b: number): number {
  return b === 0 ? a : commonFactor(b, a % b);
}

test.each(pairs)('%d to %d Hz: whatever the ratio, nothing cancels', (input, output) => {
  const { denominator, via } = rateFraction(input / output);
  const cancelled: number[] = [];
  for (let ppm = -5_000; ppm <= 5_000; ppm += 1) {
    const ratio = (input / output) * (1 + ppm / 1e6);
    for (const each of [denominator, via]) {
      if (commonFactor(numeratorFor(ratio, each), each) !== 1) cancelled.push(ppm);
    }
  }
  expect(cancelled).toEqual([]);
});

test.each(pairs)('%d to %d Hz: no product leaves 32 bits', (input, output) => {
  const { denominator, via } = rateFraction(input / output);
  const ratioMax = (input / output) * 1.005;
  // of the rates themselves, cancelled
  const first = output / commonFactor(input, output);
  const limit = 2 ** 32;
  expect(denominator * via).toBeLessThan(limit);
  expect(first * via).toBeLessThan(limit);
  // Filters are up to 256 samples long, times the ratio where that is over 1; 32 times oversampled.
  expect(256 * numeratorFor(ratioMax, denominator)).toBeLessThan(limit);
  expect(256 * Math.max(1, ratioMax) * denominator).toBeLessThan(limit);
  expect(32 * denominator).toBeLessThan(limit);
});

test('between 1:6 and 24:1 a step is about 1 ppm or less', () => {
  for (const [input, output] of pairs.filter(([a, b]) => b <= 6 * a)) {
    const ratio = input / output;
    const { denominator } = rateFraction(ratio);
    expect(1e6 / (ratio * denominator)).toBeLessThan(1.01);
  }
});

test('the detour keeps the place to 1/4,000 of a sample at 1:1, to 1/700 at 1:6', () => {
  expect(rateFraction(1).via).toBeGreaterThan(4_000);
  expect(rateFraction(2).via).toBeGreaterThan(8_000);
  expect(rateFraction(2 / 3).via).toBeGreaterThan(2_800);
  expect(rateFraction(1 / 6).via).toBeGreaterThan(700);
});
