import { loadOpusAddon } from '@kvm-audio/native-alsa/opus';
import type { Application } from '@kvm-audio/protocol';
import { effectiveFormat, encoderSettings } from '../quality/effectiveFormat.js';
import { type QualityLevel, qualityLevels } from '../quality/qualityLevels.js';
import type { CodecBackend, EncoderSettings } from './CodecBackend.js';
import { NativeBackend } from './NativeBackend.js';
import { createWasmBackend } from './WasmBackend.js';

// A steady tone of two sines, the same left and right, through an encoder whose settings change
// after a second. A click is curvature: the greatest second difference within 150 ms of the
// change, over the greatest in steady state on either side. Measured: at most 1.1; a gap of one
// sample makes it up to 8.
const curvatureRatioMax = 1.25;

const channels = 2;
const backends: [string, CodecBackend][] = [
  ['native', new NativeBackend(loadOpusAddon())],
  ['wasm', createWasmBackend()],
];

const steadyTone = tone(2 * 48_000);

type Stretch = { settings: EncoderSettings; frames: number };

describe.each(backends)('a live change of the %s encoder is not heard', (_, backend) => {
  const pairs = qualityLevels.flatMap((from) =>
    qualityLevels.filter((to) => to !== from).map((to) => [from, to] as const),
  );

  test.each(pairs)('%s to %s: bitrate, bandwidth, channels, frame length', (from, to) => {
    for (const application of ['audio', 'voip', 'lowdelay'] as const) {
      const ratio = curvatureRatio(backend, application, stretchOf(from), stretchOf(to));
      expect(ratio).toBeLessThan(curvatureRatioMax);
    }
  });

  test.each([
    [960, 120],
    [120, 960],
    [480, 2880],
    [2880, 240],
    [1920, 480],
  ])('frames of %i samples to %i', (from, to) => {
    for (const application of ['audio', 'voip'] as const) {
      const ratio = curvatureRatio(
        backend,
        application,
        stretchOf('medium', from),
        stretchOf('medium', to),
      );
      expect(ratio).toBeLessThan(curvatureRatioMax);
    }
  });
});

test('a gap of one sample would be seen', () => {
  const { heard, changeAt } = play(backends[0]![1], 'audio', stretchOf('high'), stretchOf('high'));
  // Where the tone is steepest; at a crest nothing would be heard either.
  const slope = (n: number) => Math.abs(heard[(n + 1) * channels]! - heard[n * channels]!);
  const candidates = Array.from({ length: 200 }, (_, i) => changeAt + 1000 + i);
  const at = candidates.reduce((best, n) => (slope(n) > slope(best) ? n : best));
  heard.copyWithin(at * channels, (at + 1) * channels);
  expect(ratioOf(heard, changeAt)).toBeGreaterThan(2);
});

function stretchOf(level: QualityLevel, frames?: number): Stretch {
  const format = effectiveFormat({
    direction: 'output',
    profile: 'program',
    level,
    deviceChannels: channels,
  });
  return { settings: encoderSettings(format), frames: frames ?? format.frameMs * 48 };
}

function curvatureRatio(
  backend: CodecBackend,
  application: Application,
  from: Stretch,
  to: Stretch,
): number {
  const { heard, changeAt } = play(backend, application, from, to);
  return ratioOf(heard, changeAt);
}

function play(backend: CodecBackend, application: Application, from: Stretch, to: Stretch) {
  const heard = new Int16Array(steadyTone.length);
  const encoder = backend.createEncoder(application, channels, from.settings);
  const decoder = backend.createDecoder(channels);
  const packet = new Uint8Array(4096);
  let at = 0;
  let changeAt = 0;
  for (const stretch of [from, to]) {
    changeAt = at;
    encoder.configure(stretch.settings);
    const end = at + 48_000;
    for (; at + stretch.frames <= end; at += stretch.frames) {
      const bytes = encoder.encode(steadyTone.subarray(at * channels), stretch.frames, packet);
      decoder.decode(packet.subarray(0, bytes), heard.subarray(at * channels));
    }
  }
  encoder.close();
  decoder.close();
  return { heard: heard.subarray(0, at * channels), changeAt };
}

function ratioOf(heard: Int16Array, changeAt: number): number {
  const end = heard.length / channels - 100;
  const steady = Math.max(
    curvature(heard, 24_000, changeAt - 3000),
    curvature(heard, changeAt + 12_000, end),
  );
  return curvature(heard, changeAt - 100, changeAt + 7200) / steady;
}

function curvature(pcm: Int16Array, from: number, to: number): number {
  let worst = 0;
  for (let n = from; n < to; n++) {
    for (let channel = 0; channel < channels; channel++) {
      const at = n * channels + channel;
      const bend = pcm[at]! - 2 * pcm[at - channels]! + pcm[at - 2 * channels]!;
      worst = Math.max(worst, Math.abs(bend));
    }
  }
  return worst;
}

function tone(frames: number): Int16Array {
  const pcm = new Int16Array(frames * channels);
  for (let n = 0; n < frames; n++) {
    const phase = (2 * Math.PI * n) / 48_000;
    pcm.fill(6000 * Math.sin(440 * phase) + 3000 * Math.sin(1250 * phase), 2 * n, 2 * n + 2);
  }
  return pcm;
}
