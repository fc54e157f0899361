import { Random } from '../../../test/helpers/random.js';
import { DriftEstimate } from './DriftEstimate.js';

/** Clocks that part by `ppm`, seen each second with ±`noiseMs`. */
function seen(estimate: DriftEstimate, ppm: number, seconds: number, noiseMs = 0, fromS = 0) {
  const random = new Random(3);
  for (let s = fromS; s < fromS + seconds; s++) {
    estimate.add(s, 10 + (ppm / 1000) * s + noiseMs * (2 * random.next() - 1));
  }
}

describe('the estimate of the drift', () => {
  test('says nothing in the first twenty seconds', () => {
    const estimate = new DriftEstimate();
    seen(estimate, 300, 19);
    expect(estimate.ppm).toBeUndefined();
    seen(estimate, 300, 1, 0, 19);
    expect(estimate.ppm).toBeCloseTo(300, 6);
  });

  test.each([300, -300, 5, 0])('is right to 5 ppm after two minutes: %i ppm', (ppm) => {
    const estimate = new DriftEstimate();
    seen(estimate, ppm, 120, 1);
    expect(Math.abs((estimate.ppm ?? Number.NaN) - ppm)).toBeLessThan(5);
  });

  test('follows a clock that changes its pace, two minutes later', () => {
    const estimate = new DriftEstimate();
    seen(estimate, 100, 200);
    for (let s = 200; s < 320; s++) estimate.add(s, 10 + 0.1 * 200 - 0.05 * (s - 200));
    expect(estimate.ppm).toBeCloseTo(-50, 6);
  });

  test('is not moved by a step that it was told of', () => {
    const estimate = new DriftEstimate();
    seen(estimate, 100, 60);
    estimate.step();
    for (let s = 60; s < 90; s++) estimate.add(s, 25 + 0.1 * s);
    expect(estimate.ppm).toBeCloseTo(100, 6);
  });

  test('is no worse for steps that came to lie in the noise', () => {
    const errors: number[] = [];
    for (let seed = 1; seed <= 20; seed++) {
      const random = new Random(seed);
      const estimate = new DriftEstimate();
      for (let s = 0; s < 120; s++) {
        if (s % 40 === 0) estimate.step();
        estimate.add(s, 5 * Math.floor(s / 40) + 2 * random.next() ** 2);
      }
      errors.push(Math.abs(estimate.ppm ?? Number.NaN));
    }
    expect(errors.reduce((sum, error) => sum + error, 0) / errors.length).toBeLessThan(5);
  });

  test('knows nothing after a reset', () => {
    const estimate = new DriftEstimate();
    seen(estimate, 100, 60);
    estimate.reset();
    seen(estimate, -20, 20);
    expect(estimate.ppm).toBeCloseTo(-20, 6);
  });
});
