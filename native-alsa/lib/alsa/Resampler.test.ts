import { setFlagsFromString } from 'node:v8';
import vm from 'node:vm';
import { fitTone, levelDb, tone } from '../../test/tone.js';
import { Resampler, ResamplerError, type ResamplerOptions } from '../alsa.js';
import { loadAddon } from './addon.js';

const opened: Resampler[] = [];

afterEach(() => {
  for (const resampler of opened.splice(0)) resampler.close();
});

function open(inputRate: number, outputRate: number, options: Partial<ResamplerOptions> = {}) {
  const resampler = new Resampler({ channels: 1, inputRate, outputRate, ...options });
  opened.push(resampler);
  return resampler;
}

/** Puts all of `pcm` through, in chunks whose sizes (in frames) come in turn. */
function resample(
  resampler: Resampler,
  pcm: Int16Array,
  chunks: readonly number[] = [480],
  rooms: readonly number[] = [4096],
): Int16Array {
  const { channels } = resampler;
  const length = Math.ceil((pcm.length / resampler.inputRate) * resampler.outputRate);
  const all = new Int16Array(length + 16 * channels);
  const guard = 12_345;
  let done = 0;
  let written = 0;
  for (let n = 0; done < pcm.length; n++) {
    const room = rooms[n % rooms.length]! * channels;
    const chunk = pcm.subarray(done, done + chunks[n % chunks.length]! * channels);
    const out = new Int16Array(room + 2).fill(guard);
    const frames = chunk.length / channels;
    const { consumed, produced } = resampler.process(chunk, frames, out.subarray(1, room + 1));
    // It stops for want of input or of room, nothing else, and writes no further than it says.
    const sound =
      (consumed === frames && produced * channels <= room) ||
      (consumed < frames && produced * channels === room);
    if (!sound || out[0] !== guard || out[produced * channels + 1] !== guard) {
      throw new Error(`${consumed} of ${frames} consumed, ${produced} of ${room} produced`);
    }
    all.set(out.subarray(1, 1 + produced * channels), written);
    done += consumed * channels;
    written += produced * channels;
  }
  return all.slice(0, written);
}

/** As toEqual(), which takes seconds for as many samples. */
function expectSame(heard: Int16Array, wanted: Int16Array): void {
  expect(heard).toHaveLength(wanted.length);
  expect(heard.findIndex((sample, i) => sample !== wanted[i])).toBe(-1);
}

const pairs = [
  [44_100, 48_000],
  [48_000, 44_100],
  [96_000, 48_000],
  [32_000, 48_000],
] as const;

describe('between two rates', () => {
  test.each(pairs)('%d to %d Hz leaves a tone as it is', (inputRate, outputRate) => {
    const out = resample(open(inputRate, outputRate), tone(997, inputRate, inputRate * 2));
    const heard = out.subarray(1000);
    const turns = Float64Array.from(heard, (_, i) => (i * 997) / outputRate);
    const { restDb, peakDb, amplitude } = fitTone(heard, turns);
    expect(restDb).toBeLessThan(-80);
    expect(peakDb).toBeLessThan(-75);
    expect(amplitude).toBeGreaterThan(15_980);
    expect(amplitude).toBeLessThan(16_020);
  });

  test.each(pairs)(
    '%d to %d Hz: 10 s in odd chunks are right to a frame',
    (inputRate, outputRate) => {
      const pcm = tone(997, inputRate, 10 * inputRate);
      const odd = resample(open(inputRate, outputRate), pcm, [1, 441, 7, 1023, 160, 161, 3001]);
      expect(Math.abs(odd.length - 10 * outputRate)).toBeLessThanOrEqual(1);
      expectSame(odd, resample(open(inputRate, outputRate), pcm, [960]));
    },
  );

  test.each(pairs)('%d to %d Hz loses nothing where there is little room', (input, output) => {
    const pcm = tone(997, input, input / 10);
    const wide = resample(open(input, output), pcm);
    expectSame(resample(open(input, output), pcm, [480], [0, 1, 2, 37, 0, 200]), wide);
    expectSame(resample(open(input, output), pcm, [1], [1]), wide);
  });

  test('the delay is what latencyFrames says', () => {
    for (const [input, output] of [...pairs, [48_000, 48_000] as const]) {
      const resampler = open(input, output);
      const pcm = new Int16Array(2000);
      pcm[1000] = 30_000;
      const out = resample(resampler, pcm);
      const { latencyFrames } = resampler;
      const peak = out.indexOf(Math.max(...out));
      expect(Math.abs(peak - (1000 * output) / input - latencyFrames.output)).toBeLessThan(2);
      expect(Math.abs(latencyFrames.output / output - latencyFrames.input / input)).toBeLessThan(
        1 / output,
      );
    }
  });

  test.each([25_000, 27_000, 30_000, 41_000])('%d Hz are not heard at 48 kHz', (hz) => {
    const out = resample(open(96_000, 48_000), tone(hz, 96_000, 96_000));
    expect(levelDb(out.subarray(1000))).toBeLessThan(-75);
  });

  test('music sounds as if there had been nothing over the new Nyquist frequency', () => {
    const chord = (tones: readonly number[]): Int16Array => {
      const sum = new Int16Array(96_000);
      for (const hz of tones) {
        const each = tone(hz, 96_000, sum.length, 4_000);
        for (let i = 0; i < sum.length; i++) sum[i] = sum[i]! + each[i]!;
      }
      return sum;
    };
    const audible = [440, 2_637, 9_000, 15_000];
    const plain = resample(open(96_000, 48_000), chord(audible));
    const rich = resample(
      open(96_000, 48_000),
      chord([...audible, 25_500, 30_000, 35_800, 44_000]),
    );
    const difference = rich.map((sample, i) => sample - plain[i]!).subarray(1000);
    expect(levelDb(difference, 4_000)).toBeLessThan(-60);
  });

  test('two channels stay apart', () => {
    const left = tone(997, 44_100, 44_100);
    const pcm = new Int16Array(2 * left.length);
    left.forEach((sample, i) => {
      pcm[2 * i] = sample;
    });
    const out = resample(open(44_100, 48_000, { channels: 2 }), pcm, [441, 7], [100, 999]);
    expect(out.filter((_, i) => i % 2 === 1).every((sample) => sample === 0)).toBe(true);
    const mono = resample(open(44_100, 48_000), left);
    expectSame(
      out.filter((_, i) => i % 2 === 0),
      mono,
    );
  });
});

describe('its life', () => {
  test('after reset() it is as new, both channels and the ratio', () => {
    const pcm = new Int16Array(2 * 4_410).map((_, i) => 9_000 * Math.sin(i * i));
    const first = resample(open(44_100, 48_000, { channels: 2 }), pcm);
    const resampler = open(44_100, 48_000, { channels: 2 });
    resampler.setRatio(-700);
    resample(resampler, pcm.map((sample) => -sample).subarray(0, 1_234));
    resampler.reset();
    expect(resampler.ratioPpm).toBe(0);
    expectSame(resample(resampler, pcm), first);
  });

  test('closing twice is as closing once; anything else says that it is closed', () => {
    const resampler = open(44_100, 48_000);
    resampler.close();
    resampler.close();
    const pcm = new Int16Array(100);
    const calls = [
      () => resampler.process(pcm, 100, new Int16Array(200)),
      () => resampler.setRatio(5),
      () => resampler.latencyFrames,
      () => resampler.reset(),
    ];
    for (const call of calls) {
      expect(call).toThrow(ResamplerError);
      expect(call).toThrow(expect.objectContaining({ code: 'RESAMPLER_CLOSED', speexCode: 2 }));
    }
  });

  test('bad options are named with their bounds', () => {
    const bad: readonly [Partial<ResamplerOptions>, string][] = [
      [{ channels: 0 }, 'channels = 0 is not a whole number from 1 to 2'],
      [{ channels: 3 }, 'channels = 3'],
      [{ inputRate: 0 }, 'inputRate = 0'],
      [{ inputRate: 44_100.5 }, 'inputRate = 44100.5'],
      [{ outputRate: 1_000_000 }, 'outputRate = 1000000'],
      [{ outputRate: Number.NaN }, 'outputRate = NaN'],
      [{ quality: 11 }, 'quality = 11 is not a whole number from 0 to 10'],
      [{ quality: -1 }, 'quality = -1'],
    ];
    for (const [options, message] of bad) {
      expect(() => open(48_000, 48_000, options)).toThrow(RangeError);
      expect(() => open(48_000, 48_000, options)).toThrow(message);
    }
  });

  test('takes only views of the right type, and never past their end', () => {
    const resampler = open(48_000, 44_100, { channels: 2 });
    const pcm = new Int16Array(960);
    const out = new Int16Array(960);
    const wrong = [undefined, null, 7, 'x', {}, [], new ArrayBuffer(4000), new Float32Array(960)];
    const refused = expect.objectContaining({ code: 'RESAMPLER_BAD_ARGUMENT', speexCode: 3 });
    for (const each of wrong) {
      expect(() => resampler.process(each as Int16Array, 480, out)).toThrow(refused);
      expect(() => resampler.process(pcm, 480, each as Int16Array)).toThrow(refused);
    }
    for (const frames of [481, -1, 2 ** 31, 1e9]) {
      expect(() => resampler.process(pcm, frames, out)).toThrow(refused);
    }
    const detached = new Int16Array(960);
    structuredClone(detached.buffer, { transfer: [detached.buffer] });
    expect(() => resampler.process(detached, 480, out)).toThrow(refused);
    expect(resampler.process(pcm, 480, detached)).toEqual({ consumed: 0, produced: 0 });
    expect(resampler.process(pcm, 0, out)).toEqual({ consumed: 0, produced: 0 });
  });

  test('refuses to write into what it reads', () => {
    const resampler = open(44_100, 48_000);
    const both = new Int16Array(1_000);
    const overlap = expect.objectContaining({ code: 'RESAMPLER_OVERLAP' });
    expect(() => resampler.process(both, 500, both)).toThrow(overlap);
    expect(() => resampler.process(both, 500, both.subarray(499))).toThrow(overlap);
    expect(() => resampler.process(both.subarray(499), 501, both.subarray(0, 500))).toThrow(
      overlap,
    );
    expect(resampler.process(both, 300, both.subarray(300)).consumed).toBe(300);
  });

  test('the addon reports what it could not create', () => {
    const { Resampler: Addon } = loadAddon();
    expect(() => new Addon(1, 48_000, 48_000, 11)).toThrow(
      expect.objectContaining({ speexCode: 3 }),
    );
    expect(() => new Addon(0, 48_000, 48_000, 4)).toThrow(
      expect.objectContaining({ speexCode: 3 }),
    );
    expect(() => new Addon(1, 0, 48_000, 4)).toThrow(expect.objectContaining({ speexCode: 3 }));
  });

  test('no memory is taken per call, by JavaScript or by SpeexDSP', () => {
    setFlagsFromString('--expose-gc');
    const collect = vm.runInNewContext('gc') as () => void;
    const resampler = open(48_000, 48_000, { channels: 2 });
    const pcm = new Int16Array(2 * 240);
    const out = new Int16Array(2 * 300);
    const run = (calls: number): void => {
      for (let n = 0; n < calls; n++) {
        if (n % 50 === 0) resampler.setRatio((n % 9_000) - 4_500);
        resampler.process(pcm, 240, out);
      }
    };
    const heapUsed = (): number => process.memoryUsage().heapUsed;
    const garbageMax = 20_000 * 16;
    run(5_000);
    collect();
    const before = process.memoryUsage();
    // Until it is compiled JavaScript takes memory; on a busy machine the compiler comes late.
    let garbage = Number.POSITIVE_INFINITY;
    for (let tries = 0; tries < 10 && garbage >= garbageMax; tries++) {
      collect();
      const empty = heapUsed();
      run(20_000);
      garbage = heapUsed() - empty;
    }
    expect(garbage).toBeLessThan(garbageMax);
    collect();
    const after = process.memoryUsage();
    expect(after.heapUsed - before.heapUsed).toBeLessThan(200_000);
    expect(after.rss - before.rss).toBeLessThan(8 << 20);
  });
});
