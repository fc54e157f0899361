import {
  type CodecBackend,
  createWasmBackend,
  type EncoderTuning,
  effectiveFormat,
  NativeBackend,
  type OpusEncoder,
  type QualityLevel,
  qualityLevels,
} from '@kvm-audio/audio';
import { loadOpusAddon } from '@kvm-audio/native-alsa/opus';
import { bandLimit, mixDown, type Signal, splitChannels } from '../../../test/helpers/signal.js';
import { FrameEncoder } from './FrameEncoder.js';

// What a listener hears of a change of level: packets of the real frame encoder, decoded. Three
// levels take turns of 460 ms: ultra, which leaves libopus with the largest debt of bits, and the
// two whose change is looked at.
// Jest looks globals up by name: too slow for once a sample.
const { cos, log10, max, min, PI, sin, sqrt } = Math;

/** The loudness about a change, over the levels' own at its softest or loudest: 0.93 to 1.13. */
const softestMin = 0.8;
const loudestMax = 1.25;
/** So short a hole is looked for: shorter than this, the sounds themselves beat. */
const windowFrames = { tone: 96, chord: 480, whistle: 480 } as const;
/**
 * What is beside a tone, in dB of it. In 5 ms: at most −16.3 measured, and −15.4 with a constant
 * bitrate, because the sound of SILK is 2.5 samples later than that of CELT. Above 2.5 kHz, in
 * 2 ms: at most −47.3, which is what the level has anyway, and −42.3 with a constant bitrate.
 */
const besideToneMaxDb = -14.5;
const clickMaxDb = -41;

const rate = 48_000;
const toneHz = 997;
const whistleHz = [440, 3_000, 7_000];
const toneAmplitude = 10_000;
const stretchFrames = 23 * 960;
const rounds = 3;
const total = 3 * rounds * stretchFrames + 960;

type Sound = keyof typeof windowFrames;
type Profile = 'program' | 'microphone';
type Case = {
  backend: CodecBackend;
  profile: Profile;
  from: QualityLevel;
  to: QualityLevel;
  application?: OpusEncoder['application'];
  tuning?: EncoderTuning;
};
type Take = { due: Signal; heard: Signal; changes: number[] };

const backends = { native: new NativeBackend(loadOpusAddon()), wasm: createWasmBackend() };
const profiles: Profile[] = ['program', 'microphone'];
const channelsOf = (profile: Profile): 1 | 2 => (profile === 'program' ? 2 : 1);
const pairs = qualityLevels.flatMap((from) =>
  qualityLevels.filter((to) => to !== from).map((to) => ({ from, to })),
);
const cases = (['native', 'wasm'] as const).flatMap((name) =>
  profiles.flatMap((profile) => pairs.map((pair) => ({ name, profile, ...pair }))),
);

/**
 * One tone; a chord of four voices whose places between left and right differ; three tones far
 * apart, for which CELT takes more bits than it has, until it owes as many as it may.
 */
const sounds: Record<Sound, Record<Profile, Int16Array>> = {
  tone: { program: tones(2, [toneHz]), microphone: tones(1, [toneHz]) },
  whistle: { program: tones(2, whistleHz), microphone: tones(1, whistleHz) },
  chord: { program: chord(2), microphone: chord(1) },
};

describe.each(cases)('$from to $to ($profile, $name codec)', ({ name, ...pair }) => {
  test('leaves a tone as loud as it was, without a click', () => {
    expectClean(play({ backend: backends[name], ...pair }, 'tone'));
  });

  test('leaves a chord as loud as each level makes it', () => {
    expectSteady(play({ backend: backends[name], ...pair }, 'chord'), 'chord');
  });
});

describe.each(cases.filter(({ from, to }) => from !== 'low' && to !== 'low'))(
  '$from to $to ($profile, $name codec)',
  ({ name, ...pair }) => {
    test('leaves a whistle of three tones as loud as it was', () => {
      expectSteady(play({ backend: backends[name], ...pair }, 'whistle'), 'whistle');
    });
  },
);

const tunings: EncoderTuning[] = [
  { vbr: false },
  { complexity: 0 },
  { complexity: 10 },
  { dtx: true },
];

describe.each(profiles)('low to and from another level (%s)', (profile) => {
  test.each(tunings)('is not heard with %j', (tuning) => {
    for (const level of ['medium', 'ultra'] as const) {
      const common = { backend: backends.native, profile, tuning };
      expectClean(play({ ...common, from: level, to: 'low' }, 'tone'));
      expectClean(play({ ...common, from: 'low', to: level }, 'tone'));
    }
  });

  test('is not heard where all is voip', () => {
    for (const level of ['medium', 'ultra'] as const) {
      const common = { backend: backends.native, profile, application: 'voip' } as const;
      expectClean(play({ ...common, from: level, to: 'low' }, 'tone'));
      expectClean(play({ ...common, from: 'low', to: level }, 'tone'));
    }
  });
});

test('a hole of 2 ms and a gap of one sample would be found', () => {
  const pair = {
    backend: backends.native,
    profile: 'microphone',
    from: 'low',
    to: 'high',
  } as const;
  const take = play(pair, 'tone');
  const at = take.changes[1]!;
  const holed = { ...take, heard: take.heard.slice() };
  for (let i = at; i < at + 96; i++) holed.heard[i]! *= 0.5;
  expect(() => expectSteady(holed, 'tone')).toThrow();
  const gapped = { ...take, heard: take.heard.slice() };
  gapped.heard.copyWithin(at, at + 1);
  expect(() => expectClean(gapped)).toThrow();
});

function expectClean(take: Take): void {
  expectSteady(take, 'tone');
  expect(besideTone(take)).toBeLessThan(besideToneMaxDb);
  expect(click(take)).toBeLessThan(clickMaxDb);
}

function expectSteady(take: Take, sound: Sound): void {
  const window = windowFrames[sound];
  for (const at of take.changes) {
    const change = loudness(take, at - 480, at + 4_800, window);
    const before = loudness(take, at - 12_000, at - 960, window);
    const after = loudness(take, at + 9_600, at + 19_200, window);
    const softest = change.softest / min(before.softest, after.softest);
    const loudest = change.loudest / max(before.loudest, after.loudest);
    expect(softest).toBeGreaterThan(softestMin);
    expect(loudest).toBeLessThan(loudestMax);
  }
}

/** After a change up to two frames still have the old length, as in the capture ring. */
function play({ backend, profile, from, to, application, tuning }: Case, sound: Sound): Take {
  const channels = channelsOf(profile);
  const pcm = sounds[sound][profile];
  const formatOf = (level: QualityLevel) =>
    effectiveFormat({
      direction: 'input',
      profile,
      level,
      application,
      deviceChannels: channels,
    });
  const encoder = new FrameEncoder(backend, channels, formatOf(from), tuning ?? {});
  const decoder = backend.createDecoder(channels);
  const packet = new Uint8Array(4_096);
  const heard = new Int16Array(pcm.length);
  const changes: number[] = [];
  let frames = 0;
  let at = 0;
  for (let stretch = 0; stretch < 3 * rounds; stretch++) {
    const format = formatOf((['ultra', from, to] as const)[stretch % 3]!);
    encoder.setFormat(format);
    if (stretch % 3 === 2) changes.push(at);
    const end = (stretch + 1) * stretchFrames;
    for (let n = 0; at < end; n++) {
      if (frames === 0 || n >= Math.floor(stretch / 3)) frames = format.frameMs * 48;
      const bytes = encoder.encode(pcm.subarray(at * channels), frames, packet);
      decoder.decode(packet.subarray(0, bytes), heard.subarray(at * channels));
      at += frames;
    }
  }
  const lag = encoder.lookaheadSamples;
  encoder.close();
  decoder.close();
  const due = new Float64Array(total);
  due.set(mixDown(splitChannels(pcm, channels)).subarray(0, total - lag), lag);
  return { due, heard: mixDown(splitChannels(heard, channels)), changes };
}

/** What was heard over what was due, where it was softest and where it was loudest. */
function loudness({ due, heard }: Take, from: number, to: number, window: number) {
  let softest = Number.POSITIVE_INFINITY;
  let loudest = 0;
  for (let at = from; at + window <= to; at += 24) {
    const ratio = rms(heard, at, at + window) / rms(due, at, at + window);
    softest = min(softest, ratio);
    loudest = max(loudest, ratio);
  }
  return { softest, loudest };
}

/** The most that 5 ms about a change have beside the tone that fits them best, in dB of it. */
function besideTone({ heard, changes }: Take): number {
  let most = 0;
  for (const change of changes) {
    for (let at = change - 480; at < change + 4_800; at += 48) {
      most = max(most, residual(heard, at, at + 240));
    }
  }
  return inDbOfTone(most);
}

function residual(signal: Signal, from: number, to: number): number {
  // Least squares for a·cos + b·sin: two equations.
  let [cc, cs, ss, xc, xs, xx] = [0, 0, 0, 0, 0, 0];
  for (let i = from; i < to; i++) {
    const x = signal[i]!;
    const c = cos((2 * PI * toneHz * i) / rate);
    const s = sin((2 * PI * toneHz * i) / rate);
    cc += c * c;
    cs += c * s;
    ss += s * s;
    xc += x * c;
    xs += x * s;
    xx += x * x;
  }
  const determinant = cc * ss - cs * cs;
  const a = (xc * ss - xs * cs) / determinant;
  const b = (xs * cc - xc * cs) / determinant;
  return sqrt(max(0, xx - a * xc - b * xs) / (to - from));
}

/** The most that 2 ms about a change have above 2.5 kHz, where the tone has nothing. */
function click({ heard, changes }: Take): number {
  const high = bandLimit(heard, 2_500, rate, rate);
  let most = 0;
  for (const change of changes) {
    for (let at = change - 480; at < change + 4_800; at += 24) {
      most = max(most, rms(high, at, at + 96));
    }
  }
  return inDbOfTone(most);
}

function rms(signal: Signal, from: number, to: number): number {
  let energy = 0;
  for (let i = from; i < to; i++) energy += signal[i]! ** 2;
  return sqrt(energy / (to - from));
}

function inDbOfTone(level: number): number {
  return 20 * log10((level * 32_768) / (toneAmplitude / sqrt(2)));
}

function tones(channels: 1 | 2, frequenciesHz: readonly number[]): Int16Array {
  const pcm = new Int16Array(total * channels);
  const amplitude = toneAmplitude / frequenciesHz.length;
  for (let n = 0; n < total; n++) {
    let sample = 0;
    for (const hz of frequenciesHz) sample += amplitude * sin((2 * PI * hz * n) / rate);
    pcm.fill(sample, n * channels, (n + 1) * channels);
  }
  return pcm;
}

/** Six harmonics of each pitch, with phases that keep the peaks apart. */
function chord(channels: 1 | 2): Int16Array {
  const pcm = new Int16Array(total * channels);
  const pitches = [220, 277.2, 329.6, 440];
  for (let n = 0; n < total; n++) {
    let left = 0;
    let right = 0;
    pitches.forEach((pitch, voice) => {
      let sample = 0;
      for (let harmonic = 1; harmonic <= 6; harmonic++) {
        const phase = (2 * PI * pitch * harmonic * n) / rate + voice * harmonic ** 2;
        sample += sin(phase) / harmonic ** 1.5;
      }
      left += (0.3 + 0.1 * voice) * sample;
      right += (0.6 - 0.1 * voice) * sample;
    });
    if (channels === 1) pcm[n] = 1_500 * (left + right);
    else pcm.set([3_000 * left, 3_000 * right], 2 * n);
  }
  return pcm;
}
