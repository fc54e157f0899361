import { channel, decode, encode, spread } from '../../test/cardSamples.js';
import {
  closeAll,
  commit,
  joined,
  openCapture,
  openPlayback,
  playAll,
  type Recorder,
} from '../../test/streams.js';
import { decibel, fitTone, tone } from '../../test/tone.js';
import { type CardShape, until, VirtualCard } from '../../test/VirtualCard.js';
import { monotonicUs, type PcmOptions } from '../alsa.js';

jest.setTimeout(60_000);

const rate = 48_000;
const toneHz = 997;
const amplitude = 16_000;
/** The card plays it: at its start and end the tone begins and ends. */
const edgeSeconds = 0.05;
/** A ring and a buffer that a stall of this process does not empty. */
const patient: Partial<PcmOptions> = {
  bufferFrames: 48_000,
  slotCount: 100,
  startSilenceFrames: 4_800,
};

const shapes: CardShape[] = [
  { rate: 44_100, channels: 2, format: 'S16_LE' },
  { rate: 44_100, channels: 2, format: 'S32_LE' },
  { rate: 32_000, channels: 2, format: 'S16_LE' },
  { rate: 8_000, channels: 1, format: 'S16_LE' },
  { rate: 96_000, channels: 1, format: 'S24_3LE' },
  { rate: 192_000, channels: 2, format: 'S32_LE' },
  { rate: 48_000, channels: 1, format: 'S16_LE' },
  { rate: 48_000, channels: 2, format: 'S32_LE' },
  { rate: 48_000, channels: 2, format: 'S24_LE' },
  { rate: 48_000, channels: 2, format: 'S24_3LE' },
  { rate: 48_000, channels: 8, format: 'S32_LE' },
];

const hdmi: CardShape = { rate: 44_100, channels: 2, format: 'S32_LE' };

let card: VirtualCard;

async function make(shape: CardShape): Promise<void> {
  card = new VirtualCard(shape);
  await card.create();
}

afterEach(async () => {
  await closeAll();
  card.remove();
});

/** The tone is the only thing there, as loud as it was. */
function expectTone(samples: Float64Array, samplesRate: number): void {
  const turns = Float64Array.from(samples, (_, i) => (i * toneHz) / samplesRate);
  const { restDb, amplitude: heard } = fitTone(samples, turns);
  expect(restDb).toBeLessThan(-84);
  expect(Math.abs(decibel(heard / amplitude))).toBeLessThan(0.01);
}

/** What is not silent, without its edges. */
function sounding(samples: Float64Array, samplesRate: number): Float64Array {
  const first = samples.findIndex((value) => Math.abs(value) > amplitude / 4);
  const last = samples.findLastIndex((value) => Math.abs(value) > amplitude / 4);
  const edge = edgeSeconds * samplesRate;
  expect(last - first).toBeGreaterThan(4 * edge);
  return samples.slice(first + edge, last - edge);
}

/** Waits until so many frames are there that are not silent. */
async function hearFrames({ heard, channels }: Recorder, frames: number): Promise<Int16Array> {
  const audible = (): number =>
    heard.reduce((sum, { pcm }) => sum + pcm.filter((value) => value !== 0).length, 0) / channels;
  await until(() => audible() >= frames);
  const before = heard.length;
  await until(() => heard.length > before + 2);
  return joined(heard);
}

async function playTo(pcm: Int16Array, options: Partial<PcmOptions> = {}): Promise<Float64Array> {
  const { channels = 2 } = options;
  const recording = await card.recordBytes();
  const player = await openPlayback(card.device, { ...patient, ...options });
  await playAll(player, pcm, 480, channels);
  player.playback.endOfStream();
  await until(() => player.playback.counters().framesPlayed === pcm.length / channels);
  await until(() => player.playback.counters().streaming === 0);
  const { position } = (await card.status()).playback;
  const bytes = await recording.stop(position - recording.start);
  expect(player.playback.counters()).toMatchObject({ underruns: 0, xruns: 0 });
  return decode(bytes, card.shape);
}

describe.each(shapes)('a card of $rate Hz, $channels channel(s), $format', (shape) => {
  beforeEach(() => make(shape));

  test('is heard as 48 kHz, and says what it is itself', async () => {
    const recorder = await openCapture(card.device, patient);
    expect(recorder.negotiated).toMatchObject(shape);
    expect(recorder.negotiated!.periodFrames).toBe(Math.floor((shape.rate * 5) / 1_000));
    const mono = tone(toneHz, shape.rate, shape.rate / 2, amplitude);
    await card.play(encode(spread(mono, shape.channels), shape));
    const heard = await hearFrames(recorder, 23_000);
    for (const side of [0, 1]) {
      expectTone(sounding(channel(heard, side, 2), rate), rate);
    }
  });

  test('plays 48 kHz', async () => {
    const pcm = Int16Array.from(spread(tone(toneHz, rate, rate / 2, amplitude), 2));
    const heard = await playTo(pcm);
    for (let side = 0; side < Math.min(shape.channels, 2); side++) {
      const samples = channel(heard, side, shape.channels);
      expectTone(sounding(samples, shape.rate), shape.rate);
    }
    for (let side = 2; side < shape.channels; side++) {
      expect(channel(heard, side, shape.channels).every((value) => value === 0)).toBe(true);
    }
  });
});

/** What a capture of constants gives, one for each channel of the card. */
async function captured(levels: number[], channels: number): Promise<number[]> {
  const recorder = await openCapture(card.device, { ...patient, channels });
  const frames = card.shape.rate / 2;
  const values = Float64Array.from({ length: frames * levels.length }, (_, i) => {
    return levels[i % levels.length]!;
  });
  await card.play(encode(values, card.shape));
  const heard = await hearFrames(recorder, 20_000);
  const sides = Array.from({ length: channels }, (_, side) => channel(heard, side, channels));
  const from = sides[0]!.findIndex((value) => value !== 0) + 2_400;
  return sides.map((side) => side[from]!);
}

/** A resampler's gain at 0 Hz is 1 to within 1 in 10,000. */
function expectLevels(levels: ArrayLike<number>, wanted: readonly number[]): void {
  expect(levels).toHaveLength(wanted.length);
  wanted.forEach((level, i) => {
    expect(Math.abs(levels[i]! - level)).toBeLessThanOrEqual(Math.abs(level) / 10_000);
  });
}

describe('channels', () => {
  test.each([
    [{ rate: 48_000, channels: 2, format: 'S32_LE' }, [20_000, -10_000], [5_000]],
    [{ rate: 44_100, channels: 2, format: 'S16_LE' }, [32_767, 32_767], [32_767]],
    [{ rate: 96_000, channels: 2, format: 'S24_3LE' }, [-32_768, -32_768], [-32_768]],
    [{ rate: 44_100, channels: 1, format: 'S32_LE' }, [12_345], [12_345, 12_345]],
    [{ rate: 44_100, channels: 2, format: 'S16_LE' }, [7_000, -9_000], [7_000, -9_000]],
  ] as const)('of %o are captured from %j as %j', async (shape, levels, wanted) => {
    await make(shape);
    expectLevels(await captured([...levels], wanted.length), wanted);
  });

  test.each([
    [{ rate: 44_100, channels: 1, format: 'S16_LE' }, [20_000, -10_000], [5_000]],
    [{ rate: 48_000, channels: 1, format: 'S16_LE' }, [32_767, 32_767], [32_767]],
    [{ rate: 96_000, channels: 1, format: 'S24_3LE' }, [-32_768, -32_768], [-32_768]],
    [{ rate: 48_000, channels: 2, format: 'S32_LE' }, [12_345], [12_345, 12_345]],
    [{ rate: 32_000, channels: 2, format: 'S24_LE' }, [7_000, -9_000], [7_000, -9_000]],
  ] as const)('of %o are played from %j as %j', async (shape, levels, wanted) => {
    await make(shape);
    const pcm = Int16Array.from({ length: 24_000 * levels.length }, (_, i) => {
      return levels[i % levels.length]!;
    });
    const heard = await playTo(pcm, { channels: levels.length });
    const first = heard.findIndex((value) => Math.abs(value) > 1_000);
    const from = first - (first % shape.channels) + shape.channels * 4_800;
    expectLevels(heard.subarray(from, from + shape.channels), wanted);
  });
});

describe('samples of more bits', () => {
  // Steps of a sixteenth, both signs alike, with the halves between them.
  const values = Float64Array.from({ length: 24_000 }, (_, i) => 100 + ((i % 640) - 320) / 16);

  test.each(['S32_LE', 'S24_LE', 'S24_3LE'] as const)(
    'of %s are rounded to the nearest, a half to the even, and back exactly',
    async (format) => {
      await make({ rate, channels: 1, format });
      const recorder = await openCapture(card.device, { ...patient, channels: 1 });
      await card.play(encode(values, card.shape));
      const heard = await hearFrames(recorder, values.length);
      const first = heard.findIndex((value) => value !== 0);
      const rounded = heard.subarray(first, first + values.length);
      const even = (value: number): number => {
        const nearest = Math.round(value);
        return nearest - value === 0.5 && nearest % 2 !== 0 ? nearest - 1 : nearest;
      };
      expect(rounded).toEqual(Int16Array.from(values, even));
      await closeAll();
      const played = await playTo(rounded, { channels: 1 });
      const at = played.findIndex((value) => value !== 0);
      expect(played.subarray(at, at + rounded.length)).toEqual(Float64Array.from(rounded));
    },
  );
});

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1]!;
}

/** A pulse of 2 ms that is symmetrical, and where its middle is, in frames. */
function pulse(samplesRate: number): { samples: Float64Array; middle: number } {
  const frames = samplesRate / 100;
  const samples = Float64Array.from({ length: frames }, (_, i) => {
    const ms = (1_000 * (i - frames / 2)) / samplesRate;
    return Math.abs(ms) < 1 ? 8_000 * (1 + Math.cos(Math.PI * ms)) : 0;
  });
  return { samples, middle: frames / 2 };
}

/** The middle of the one pulse in it, in frames; -1 = there is none. */
function middleOf(samples: ArrayLike<number>): number {
  let [sum, moment] = [0, 0];
  for (let i = 0; i < samples.length; i++) {
    const weight = Math.abs(samples[i]!) > 500 ? samples[i]! : 0;
    sum += weight;
    moment += i * weight;
  }
  return sum === 0 ? -1 : moment / sum;
}

describe.each([
  { rate: 44_100, channels: 2, format: 'S32_LE' },
  { rate: 96_000, channels: 1, format: 'S24_3LE' },
  { rate: 32_000, channels: 2, format: 'S16_LE' },
  { rate: 48_000, channels: 2, format: 'S32_LE' },
] as const)('the time on a card of $rate Hz, $format', (shape) => {
  beforeEach(() => make(shape));

  /** When the card is at one of its positions, us of CLOCK_MONOTONIC. */
  async function timeOf(position: number): Promise<number> {
    const status = await card.status();
    return status.monotonicNs / 1e3 + ((position - status.position) * 1e6) / shape.rate;
  }

  test('at which a sample was captured is true to 50 us', async () => {
    const recorder = await openCapture(card.device, patient);
    const { samples, middle } = pulse(shape.rate);
    await card.play(encode(spread(samples, shape.channels), shape));
    const { start } = (await card.status()).playback;
    await until(() => middleOf(channel(joined(recorder.heard), 0, 2)) >= 0);
    const count = recorder.heard.length;
    await until(() => recorder.heard.length > count + 2);
    const { heard } = recorder;
    const at = middleOf(channel(joined(heard), 0, 2));
    const playedUs = await timeOf(start + middle);
    const offsetsUs = heard.map(({ positionFrames, timeUs, discontinuity }, i) => {
      expect([positionFrames, discontinuity]).toEqual([480 * i, false]);
      return Math.abs(timeUs + ((at - positionFrames) * 1e6) / rate - playedUs);
    });
    expect(median(offsetsUs)).toBeLessThan(50);
  });

  test('at which a sample is heard is what playout() and the delay say, to 1 ms', async () => {
    const recording = await card.recordBytes();
    const { playback } = await openPlayback(card.device, patient);
    for (let i = 0; i < 5; i++) commit(playback, new Int16Array(960));
    await until(() => playback.counters().framesPlayed === 5 * 480);
    const nowUs = monotonicUs();
    const saidUs = nowUs + (playback.queuedFrames(nowUs) * 1e6) / rate;
    const { samples, middle } = pulse(rate);
    commit(playback, Int16Array.from(spread(samples, 2)));
    playback.endOfStream();
    await until(() => playback.counters().framesPlayed === 6 * 480);
    expect(playback.counters().underruns).toBe(0);
    await until(() => playback.counters().streaming === 0);
    const { position } = (await card.status()).playback;
    const bytes = await recording.stop(position - recording.start);
    const at = middleOf(channel(decode(bytes, shape), 0, shape.channels));
    const heardUs = await timeOf(recording.start + at);
    expect(Math.abs(heardUs - saidUs - (middle * 1e6) / rate)).toBeLessThan(1_000);
  });

  test('that is queued is in the delay too', async () => {
    const { playback } = await openPlayback(card.device, patient);
    const frames = 4_800 + 14 * 2_880;
    for (let i = 0; i < 14; i++) commit(playback, new Int16Array(5_760));
    await until(() => playback.counters().framesPlayed === frames - 4_800);
    const played = async (): Promise<number> => {
      const { position, start } = (await card.status()).playback;
      return ((position - start) * rate) / shape.rate;
    };
    const before = await played();
    const { pollRounds } = playback.counters();
    await until(() => playback.counters().pollRounds > pollRounds + 1);
    const { deviceDelayFrames } = playback.counters();
    expect(frames - deviceDelayFrames).toBeGreaterThanOrEqual(before - 2);
    expect(frames - deviceDelayFrames).toBeLessThanOrEqual((await played()) + 2);
  });
});

describe('a card of 44.1 kHz', () => {
  beforeEach(() => make(hdmi));

  test('starts without a margin, and with less than its resampler looks ahead', async () => {
    const { playback, negotiated } = await openPlayback(card.device, { startSilenceFrames: 0 });
    expect(negotiated!.heldFrames).toBeGreaterThan(24);
    commit(playback, new Int16Array(2 * 24));
    playback.endOfStream();
    await until(() => playback.counters().framesPlayed === 24);
    await until(() => playback.counters().streaming === 0);
    expect(playback.counters().xruns).toBe(0);
  });

  test('that has an xrun is captured on, and the gap is measured', async () => {
    const { capture, heard } = await openCapture(card.device, patient);
    await until(() => heard.length >= 3);
    await card.control('xrun', 'capture');
    await until(() => heard.some(({ discontinuity }) => discontinuity));
    const after = heard.findIndex(({ discontinuity }) => discontinuity);
    await until(() => heard.length >= after + 5);
    const { xruns, framesLost } = capture.counters();
    expect(xruns).toBe(1);
    const before = heard[after - 1]!;
    const lost = heard[after]!.positionFrames - before.positionFrames - before.frames;
    expect(lost).toBe(framesLost);
    const gapUs = heard[after]!.timeUs - before.timeUs;
    expect(Math.abs(gapUs - ((lost + before.frames) * 1e6) / rate)).toBeLessThan(1_000);
  });

  test('that has an xrun is played on, in time', async () => {
    const { playback } = await openPlayback(card.device, { bufferFrames: 9_600, slotCount: 32 });
    const endUs = (): number => {
      const nowUs = monotonicUs();
      return nowUs + (playback.queuedFrames(nowUs) * 1e6) / rate;
    };
    for (let i = 0; i < 32; i++) commit(playback, new Int16Array(5_760));
    await until(() => playback.counters().framesPlayed > 2_880);
    const before = endUs();
    await card.control('xrun', 'playback');
    await until(() => playback.counters().xruns === 1 && playback.counters().streaming === 1);
    const lateFrames = ((endUs() - before) * rate) / 1e6;
    expect(Math.abs(lateFrames - playback.counters().silenceFrames)).toBeLessThan(480);
  });

  test('that is pulled out is gone, and another opening finds it', async () => {
    const recorder = await openCapture(card.device);
    const player = await openPlayback(card.device);
    commit(player.playback, new Int16Array(4_800));
    await until(() => recorder.heard.length > 0 && player.playback.counters().streaming === 1);
    await card.control('unplug');
    await until(() => recorder.error !== undefined && player.error !== undefined);
    expect([recorder.error!.code, player.error!.code]).toEqual(Array(2).fill('ALSA_DEVICE_GONE'));
    await card.control('replug');
    const again = await openCapture(card.device, patient);
    const pcm = Int16Array.from(spread(tone(toneHz, rate, rate / 2, amplitude), 2));
    await playAll(await openPlayback(card.device, patient), pcm);
    const heard = await hearFrames(again, 23_000);
    expectTone(sounding(channel(heard, 0, 2), rate), rate);
  });

  test('whose host does not listen stands still, and moves nothing by itself', async () => {
    const { playback } = await openPlayback(card.device, { ...patient, bufferFrames: 24_000 });
    const fill = (): void => {
      while (playback.acquire() !== undefined) commit(playback, new Int16Array(960));
    };
    fill();
    await until(() => playback.counters().streaming === 1);
    await card.control('host-idle', 'on');
    await until(() => playback.counters().pollTimeouts >= 2);
    const { lastProgressUs } = playback.counters();
    fill();
    const { pollTimeouts } = playback.counters();
    await until(() => playback.counters().pollTimeouts >= pollTimeouts + 2);
    expect(playback.counters().lastProgressUs).toBe(lastProgressUs);
    await card.control('host-idle', 'off');
    await until(() => {
      fill();
      return playback.counters().lastProgressUs > lastProgressUs;
    });
  });

  test('is converted from the rate that was measured, whatever it says', async () => {
    await card.control('rate', '48000');
    const recorder = await openCapture(card.device, { ...patient, cardRate: 44_100 });
    expect(recorder.negotiated!.rate).toBe(48_000);
    // At its true pace there are more of them than 100 a second.
    await until(() => recorder.heard.length >= 30);
    const [first, last] = [recorder.heard[0]!, recorder.heard[29]!];
    const spacingUs = (last.timeUs - first.timeUs) / 29;
    expect(Math.abs(spacingUs - (10_000 * 44_100) / 48_000)).toBeLessThan(200);
  });
});
