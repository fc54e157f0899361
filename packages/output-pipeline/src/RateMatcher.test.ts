import { Resampler } from '@kvm-audio/native-alsa/alsa';
import { mediaRate } from '@kvm-audio/protocol';
import { fitTone } from '../../../native-alsa/test/tone.js';
import { RateMatcher } from './RateMatcher.js';

const framesMax = 2_880;
const pieceFrames = 960;
const amplitude = 16_000;

const opened: Resampler[] = [];

afterEach(() => {
  for (const resampler of opened.splice(0)) resampler.close();
});

/** A stereo tone, left and right half a turn apart, through the matcher piece by piece. */
class Stream {
  readonly matcher: RateMatcher;
  readonly heard: number[] = [];
  readonly right: number[] = [];
  /** The phase that each sample should have. */
  readonly turns: number[] = [];
  given = 0;
  readonly #resampler: Resampler;
  #place = 0;
  readonly #hz: number;
  readonly #past = new Int16Array(framesMax * 2);

  constructor(hz: number) {
    this.#hz = hz;
    this.#resampler = new Resampler({ channels: 2, inputRate: mediaRate, outputRate: mediaRate });
    opened.push(this.#resampler);
    this.matcher = new RateMatcher(this.#resampler, 2, framesMax);
  }

  run(ppm: number, pieces: number, frames = pieceFrames): void {
    this.matcher.steer(ppm);
    for (let i = 0; i < pieces; i++) this.#piece(frames);
  }

  #piece(frames: number): void {
    const pcm = new Int16Array(frames * 2);
    for (let i = 0; i < frames; i++) {
      const sample = amplitude * Math.cos((2 * Math.PI * this.#hz * (this.given + i)) / mediaRate);
      pcm[2 * i] = Math.round(sample);
      pcm[2 * i + 1] = -Math.round(sample);
    }
    if (this.matcher.isOn) {
      this.matcher.pass(
        pcm,
        frames,
        (out) => out.set(this.#past.subarray(this.#past.length - out.length)),
        (made, fromFrame, count) => this.#hear(made, fromFrame, count),
      );
    } else {
      this.#hear(pcm, 0, frames);
    }
    this.#past.copyWithin(0, frames * 2);
    this.#past.set(pcm, this.#past.length - frames * 2);
    this.given += frames;
  }

  #hear(made: Int16Array, fromFrame: number, frames: number): void {
    const step = this.matcher.isOn ? 1 + this.#resampler.ratioPpm / 1e6 : 1;
    for (let i = fromFrame; i < fromFrame + frames; i++) {
      this.turns.push((this.#place * this.#hz) / mediaRate);
      this.#place += step;
      this.heard.push(made[2 * i] ?? 0);
      this.right.push(made[2 * i + 1] ?? 0);
    }
  }

  /** The worst rest beside the tone in pieces of 10 ms, in dB under the tone. */
  worstRestDb(fromFrame: number, toFrame: number): number {
    let worst = -Infinity;
    for (let at = fromFrame; at + 480 <= toFrame; at += 120) {
      const samples = this.heard.slice(at, at + 480);
      worst = Math.max(worst, fitTone(samples, this.turns.slice(at, at + 480)).restDb);
    }
    return worst;
  }

  /** The greatest step between two samples, of the greatest that the tone itself makes. */
  get worstStep(): number {
    const ofTheTone = (2 * Math.PI * this.#hz * amplitude) / mediaRate;
    let worst = 0;
    for (let i = 1; i < this.heard.length; i++) {
      worst = Math.max(worst, Math.abs((this.heard[i] ?? 0) - (this.heard[i - 1] ?? 0)));
    }
    return worst / ofTheTone;
  }
}

describe('audio at another pace', () => {
  test.each([300, -300, 5_000, -5_000])('is longer or shorter by that: %i ppm', (ppm) => {
    const stream = new Stream(997);
    stream.run(0, 2);
    stream.run(ppm, 500);
    const ideal = 2 * pieceFrames + (500 * pieceFrames) / (1 + ppm / 1e6);
    expect(Math.abs(stream.heard.length + stream.matcher.heldFrames - ideal)).toBeLessThan(3);
  });

  test.each([
    [997, 300],
    [997, -300],
    [997, 5_000],
    [5_000, 300],
  ])('begins and ends without a click: %i Hz, %i ppm', (hz, ppm) => {
    const stream = new Stream(hz);
    stream.run(0, 3);
    stream.run(ppm, 20);
    const ends = stream.heard.length;
    stream.run(0, 3);
    expect(stream.matcher.isOn).toBe(false);
    expect(stream.worstRestDb(0, ends)).toBeLessThan(-75);
    // Where it ends the tone moves by less than a sample, in 5 ms.
    expect(stream.worstRestDb(ends + 300, stream.heard.length)).toBeLessThan(-75);
    expect(stream.worstStep).toBeLessThan(1.01);
    const apart = stream.heard.findIndex(
      (sample, i) => !(Math.abs(sample + stream.right[i]!) <= 2),
    );
    expect(apart).toBe(-1);
  });

  test('ends with every frame that was given heard once, to the sample', () => {
    const stream = new Stream(997);
    stream.run(0, 3);
    stream.run(-2, 1);
    stream.run(0, 1);
    expect(Math.abs(stream.heard.length - stream.given)).toBeLessThanOrEqual(1);
    expect(stream.matcher.heldFrames).toBe(0);
  });

  test.each([120, 240, 2_880])('takes pieces of %i frames', (frames) => {
    const stream = new Stream(997);
    stream.run(0, 10, frames);
    stream.run(300, 400, frames);
    stream.run(0, 10, frames);
    expect(stream.matcher.isOn).toBe(false);
    expect(stream.worstStep).toBeLessThan(1.01);
  });

  test('is forgotten at once by a reset', () => {
    const stream = new Stream(997);
    stream.run(300, 10);
    expect(stream.matcher.heldFrames).toBeGreaterThan(0);
    stream.matcher.reset();
    expect(stream.matcher.isOn).toBe(false);
    expect(stream.matcher.heldFrames).toBe(0);
  });
});

test('it is settled but for the piece in which it takes over, or lets go', () => {
  const stream = new Stream(997);
  const settled = (): [boolean, boolean] => [stream.matcher.isSettled, stream.matcher.isOn];
  expect(settled()).toEqual([true, false]);
  stream.matcher.steer(100);
  expect(settled()).toEqual([false, true]);
  stream.run(100, 1);
  expect(settled()).toEqual([true, true]);
  stream.matcher.steer(-50);
  expect(settled()).toEqual([true, true]);
  stream.matcher.steer(0);
  expect(settled()).toEqual([false, true]);
  stream.run(0, 1);
  expect(settled()).toEqual([true, false]);
  stream.run(100, 1);
  stream.matcher.reset();
  expect(settled()).toEqual([true, false]);
});
