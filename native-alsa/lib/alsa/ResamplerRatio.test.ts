import { fitTone, tone } from '../../test/tone.js';
import { Resampler } from '../alsa.js';

const opened: Resampler[] = [];

afterEach(() => {
  for (const resampler of opened.splice(0)) resampler.close();
});

function open(inputRate: number, outputRate: number): Resampler {
  const resampler = new Resampler({ channels: 1, inputRate, outputRate });
  opened.push(resampler);
  return resampler;
}

type Course = (seconds: number) => number;

/** 2 ms/s: the ratio reaches 2,000 ppm, goes back through 1:1 and beyond. */
const ramp: Course = (seconds) => 2_000 * (seconds < 2 ? seconds / 2 : 2 - seconds / 2);
const wobble: Course = (seconds) => 300 * Math.sin(2 * Math.PI * 0.7 * seconds);
const aroundZero: Course = (seconds) => 4 * Math.sin(2 * Math.PI * 1.3 * seconds);

/**
 * A tone through a ratio that is set anew every 20 ms: the worst piece of 50 ms, and by how many
 * input samples the place of the output has left the one that the ratios add up to.
 */
function throughMovingRatio(hz: number, inputRate: number, course: Course) {
  const outputRate = 48_000;
  const seconds = 6;
  const resampler = open(inputRate, outputRate);
  const pcm = tone(hz, inputRate, seconds * inputRate);
  const out = new Int16Array(2 * outputRate);
  const chunk = inputRate / 50;
  const heard = new Int16Array((seconds + 1) * outputRate);
  const turns = new Float64Array(heard.length);
  let place = 0;
  let length = 0;
  let moves = 0;
  for (let done = 0; done < pcm.length; done += chunk) {
    const before = resampler.ratioPpm;
    const ppm = resampler.setRatio(course(done / inputRate));
    if (ppm !== before) moves++;
    const step = (inputRate / outputRate) * (1 + ppm / 1e6);
    const { consumed, produced } = resampler.process(pcm.subarray(done), chunk, out);
    expect(consumed).toBe(chunk);
    heard.set(out.subarray(0, produced), length);
    for (let i = 0; i < produced; i++, place += step) turns[length + i] = (place * hz) / inputRate;
    length += produced;
  }
  const fits = [];
  for (let at = 4800; at + 2400 <= length; at += 2400) {
    fits.push(fitTone(heard.subarray(at, at + 2400), turns.subarray(at, at + 2400)));
  }
  const slip = fits.at(-1)!.phase - fits[0]!.phase;
  return {
    moves,
    restDb: Math.max(...fits.map((fit) => fit.restDb)),
    peakDb: Math.max(...fits.map((fit) => fit.peakDb)),
    slippedFrames: Math.abs(slip - Math.round(slip)) * (inputRate / hz),
  };
}

describe('while the ratio moves', () => {
  test.each([
    ['a ramp of 2 ms/s', 48_000, ramp],
    ['a wobble of 300 ppm', 48_000, wobble],
    ['a few ppm around 1:1', 48_000, aroundZero],
    ['a wobble from 44.1 kHz', 44_100, wobble],
    ['a wobble from 96 kHz', 96_000, wobble],
    ['a wobble from 32 kHz', 32_000, wobble],
  ] as const)('there is no click: %s', (_, inputRate, course) => {
    const result = throughMovingRatio(997, inputRate, course);
    expect(result.moves).toBeGreaterThan(50);
    expect(result.restDb).toBeLessThan(-75);
    expect(result.peakDb).toBeLessThan(-70);
    expect(result.slippedFrames).toBeLessThan(0.2);
  });

  test('there is none in a high tone either', () => {
    for (const course of [ramp, wobble, aroundZero]) {
      const { restDb, peakDb } = throughMovingRatio(10_000, 48_000, course);
      expect(restDb).toBeLessThan(-60);
      expect(peakDb).toBeLessThan(-60);
    }
  });
});

describe('setRatio()', () => {
  test.each([
    [48_000, 48_000, 0.51],
    [44_100, 48_000, 0.51],
    [96_000, 48_000, 0.51],
    [32_000, 48_000, 0.51],
    [48_000, 44_100, 0.51],
  ])('%d to %d Hz is exact to half a step', (inputRate, outputRate, errorMax) => {
    const resampler = open(inputRate, outputRate);
    for (const ppm of [5_000, -5_000, 300.3, 17, -1.2, 1, 2]) {
      const exact = resampler.setRatio(ppm);
      expect(Math.abs(exact - ppm)).toBeLessThan(errorMax);
      expect(resampler.ratioPpm).toBe(exact);
    }
    expect(Math.abs(resampler.setRatio(0))).toBeLessThan(1.01);
  });

  test('takes so much more input for the same output', () => {
    for (const ppm of [1, -1, 5, 300, -5_000, 5_000]) {
      const resampler = open(48_000, 48_000);
      resampler.setRatio(ppm);
      const second = new Int16Array(48_000);
      const out = new Int16Array(50_000);
      let produced = 0;
      for (let n = 0; n < 60; n++) produced += resampler.process(second, 48_000, out).produced;
      const expected = (60 * 48_000) / (1 + ppm / 1e6);
      expect(Math.abs(produced - expected)).toBeLessThan(2);
    }
  });

  test('to 0 leaves a ratio that was never moved at exactly 1:1', () => {
    const resampler = open(48_000, 48_000);
    expect(resampler.setRatio(0)).toBe(0);
    const pcm = tone(997, 48_000, 48_000);
    const out = new Int16Array(48_000);
    resampler.process(pcm, pcm.length, out);
    const delay = resampler.latencyFrames.output;
    const error = out.subarray(delay + 200).map((sample, i) => sample - pcm[i + 200]!);
    expect(Math.max(...error.map(Math.abs))).toBeLessThan(20);
  });

  test('refuses what is out of bounds, and keeps what it had', () => {
    const resampler = open(44_100, 48_000);
    const had = resampler.setRatio(100);
    for (const ppm of [5_001, -5_001, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => resampler.setRatio(ppm)).toThrow(RangeError);
    }
    expect(() => resampler.setRatio(5_001)).toThrow('ppm = 5001 is not within ±5000');
    expect(resampler.ratioPpm).toBe(had);
  });

  test.each([0, 4, 7, 10])('jumps between its bounds, at quality %d', (quality) => {
    for (const inputRate of [48_000, 96_000, 44_100]) {
      const resampler = new Resampler({ channels: 2, inputRate, outputRate: 48_000, quality });
      opened.push(resampler);
      const pcm = new Int16Array(2 * 960).fill(8_000);
      const out = new Int16Array(2 * 1_000);
      for (let n = 0; n < 200; n++) {
        resampler.setRatio(n % 2 === 0 ? 5_000 : -5_000);
        const { produced } = resampler.process(pcm, 960, out);
        const heard = out.subarray(0, 2 * produced);
        if (n > 5 && quality > 0)
          expect(heard.every((each) => Math.abs(each - 8_000) < 80)).toBe(true);
      }
    }
  });
});
