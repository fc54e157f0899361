import { Splicer } from './Splicer.js';

const rate = 48_000;
const channels = 2;
const frames = 960;

function tone(hz: number, fromFrame: number, count: number): Int16Array {
  return Int16Array.from({ length: count * channels }, (_, i) => {
    const at = fromFrame + Math.floor(i / channels);
    return Math.round(10_000 * Math.sin((2 * Math.PI * hz * at) / rate));
  });
}

/** What comes before the seam, and what select() makes of what comes next. */
function spliced(hz: number, changeFrames: number): { heard: Int16Array; added: number } {
  const splicer = new Splicer(channels, 2_880);
  const before = tone(hz, 0, 5 * frames);
  for (let i = 0; i < 5; i++) splicer.remember(before, i * frames, frames);
  const added = splicer.select(tone(hz, 5 * frames, frames), 0, frames, changeFrames);
  const made = new Int16Array(splicer.frames * channels);
  splicer.write(made);
  return { heard: Int16Array.from([...before.slice(-frames * channels), ...made]), added };
}

function steepest(pcm: Int16Array): number {
  const steps = pcm.slice(channels).map((sample, i) => Math.abs(sample - (pcm[i] ?? 0)));
  return steps.reduce((most, step) => Math.max(most, step), 0);
}

/** The least level of any 2 ms, of the tone's own. */
function leastLevel(pcm: Int16Array): number {
  const length = 96 * channels;
  const levels = Array.from({ length: Math.floor(pcm.length / length) }, (_, i) =>
    Math.hypot(...pcm.slice(i * length, (i + 1) * length)),
  );
  return Math.min(...levels) / (10_000 * Math.sqrt(length / 2));
}

describe.each([250, 440, 1_000, 3_300])('a tone of %i Hz', (hz) => {
  test.each([240, 480, 1_500, -240, -480])('with %i frames more has no seam', (change) => {
    const { heard, added } = spliced(hz, change);
    expect(heard).toHaveLength((2 * frames + added) * channels);
    expect(Math.abs(added - change)).toBeLessThanOrEqual(192);
    expect(Math.sign(added)).toBe(Math.sign(change));
    const ofTheTone = (10_000 * 2 * Math.PI * hz) / rate;
    expect(steepest(heard)).toBeLessThan(1.1 * ofTheTone + 2);
    if (hz >= 1_000) expect(leastLevel(heard)).toBeGreaterThan(0.9);
  });
});

test('silence is made longer by just what is asked for', () => {
  const splicer = new Splicer(channels, 2_880);
  expect(splicer.select(new Int16Array(frames * channels), 0, frames, 300)).toBe(300);
  expect(splicer.frames).toBe(frames + 300);
});

test('no more than half is cut out, and no more than 46 ms added', () => {
  const splicer = new Splicer(channels, 2_880);
  const pcm = new Int16Array(frames * channels);
  expect(splicer.select(pcm, 0, frames, -5_000)).toBe(-frames / 2);
  expect(splicer.select(pcm, 0, frames, 50_000)).toBe(46 * 48);
});
