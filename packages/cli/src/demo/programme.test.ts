import { makeProgramme, programmeFormat } from './programme.js';

const { rate, channels } = programmeFormat;
const random = jest.spyOn(Math, 'random');
const programme = makeProgramme();
const drawn = random.mock.calls.length;
random.mockRestore();
const frames = programme.length / channels;

/** Root mean square of one channel over a part of the programme. */
function rms(fromSeconds: number, seconds: number, channel: number): number {
  let sum = 0;
  const from = Math.round(fromSeconds * rate);
  const count = Math.round(seconds * rate);
  for (let i = from; i < from + count; i++) sum += (programme[i * channels + channel] ?? 0) ** 2;
  return Math.sqrt(sum / count);
}

describe('the programme', () => {
  test('is about twenty seconds of stereo', () => {
    expect(Number.isInteger(frames)).toBe(true);
    expect(frames / rate).toBeGreaterThan(18);
    expect(frames / rate).toBeLessThan(22);
  });

  test('leaves nothing to chance: it is the same each time', () => {
    expect(drawn).toBe(0);
  });

  test('is never silent for a second, on either side', () => {
    for (let second = 0; second < Math.floor(frames / rate); second++) {
      for (const channel of [0, 1]) {
        expect([second, rms(second, 1, channel) > 300]).toEqual([second, true]);
      }
    }
  });

  test('hardly ever reaches full scale', () => {
    const clipped = programme.filter((sample) => Math.abs(sample) >= 32_767).length;
    expect(clipped / programme.length).toBeLessThan(0.001);
  });

  test('loops without a click: its end and its beginning are as close as any neighbours', () => {
    let largest = 0;
    for (let i = channels; i < programme.length; i++) {
      largest = Math.max(largest, Math.abs((programme[i] ?? 0) - (programme[i - channels] ?? 0)));
    }
    for (let channel = 0; channel < channels; channel++) {
      const last = programme[programme.length - channels + channel] ?? 0;
      expect(Math.abs(last - (programme[channel] ?? 0))).toBeLessThanOrEqual(largest);
    }
  });

  test('is not the same on both sides', () => {
    let differing = 0;
    for (let i = 0; i < frames; i++) {
      if (programme[i * channels] !== programme[i * channels + 1]) differing += 1;
    }
    expect(differing / frames).toBeGreaterThan(0.5);
  });
});
