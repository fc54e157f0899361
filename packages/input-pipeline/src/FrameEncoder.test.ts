import {
  type CodecBackend,
  type EncoderSettings,
  effectiveFormat,
  encoderSettings,
  NativeBackend,
  type OpusEncoder,
  type QualityLevel,
} from '@kvm-audio/audio';
import { loadOpusAddon } from '@kvm-audio/native-alsa/opus';
import { FrameEncoder } from './FrameEncoder.js';

type Application = OpusEncoder['application'];

/** An encoder that keeps what it was given. */
class FakeEncoder implements OpusEncoder {
  readonly lookaheadSamples: number;
  readonly role = {};
  readonly encoded: number[][] = [];
  readonly settings: EncoderSettings[];
  closed = false;

  constructor(
    readonly application: Application,
    readonly channels: 1 | 2,
    settings: EncoderSettings,
  ) {
    this.settings = [settings];
    this.lookaheadSamples = application === 'lowdelay' ? 120 : 312;
  }

  configure(settings: EncoderSettings): void {
    this.settings.push(settings);
  }

  encode(pcm: Int16Array, frames: number, out: Uint8Array): number {
    if (this.closed) throw new Error('closed');
    this.encoded.push([...pcm.subarray(0, frames * this.channels)]);
    out[0] = 0xf8;
    return 1;
  }

  reset(): void {}
  close(): void {
    this.closed = true;
  }
}

function bench(channels: 1 | 2 = 1, tuning = {}) {
  const encoders: FakeEncoder[] = [];
  const backend: CodecBackend = {
    capabilities: { backend: 'native', version: '0', exactPlc: true, fec: true, controls: [] },
    createEncoder: (application, count, settings) => {
      const encoder = new FakeEncoder(application, count, settings);
      encoders.push(encoder);
      return encoder;
    },
    createDecoder: () => {
      throw new Error('nobody decodes here');
    },
  };
  const format = (level: QualityLevel, application?: Application) =>
    effectiveFormat({
      direction: 'input',
      profile: 'program',
      level,
      application,
      deviceChannels: channels,
    });
  const encoder = new FrameEncoder(backend, channels, format('medium'), tuning);
  return { encoder, encoders, format };
}

/** Frames that count: the first sample of each channel is its number. */
function count(from: number, frames: number, channels = 1): Int16Array {
  return Int16Array.from({ length: frames * channels }, (_, i) => from + Math.floor(i / channels));
}
const out = new Uint8Array(4_096);

describe('a frame encoder', () => {
  test('encodes what it is given, with the tuning of the configuration', () => {
    const { encoder, encoders } = bench(1, { complexity: 1, dtx: true });
    expect(encoder.encode(count(0, 960), 960, out)).toBe(1);
    expect(encoders).toHaveLength(1);
    expect(encoders[0]?.encoded).toEqual([[...count(0, 960)]]);
    expect(encoders[0]?.settings[0]).toMatchObject({ bitrate: 96_000, complexity: 1, dtx: true });
  });

  test('changes a level on the running encoder, and keeps the tuning', () => {
    const { encoder, encoders, format } = bench(1, { complexity: 1 });
    encoder.setFormat(format('ultra'));
    expect(encoders).toHaveLength(1);
    expect(encoders[0]?.settings).toHaveLength(2);
    expect(encoders[0]?.settings[1]).toMatchObject({ complexity: 1, signal: 'music' });
  });

  test('raises the bitrate at once and lowers it by a fifth per frame at most', () => {
    const { encoder, encoders, format } = bench();
    encoder.setFormat(format('high'));
    encoder.setFormat(format('medium'));
    for (let i = 0; i < 5; i++) encoder.encode(count(0, 960), 960, out);
    expect(encoders[0]?.settings.map(({ bitrate }) => bitrate)).toEqual([
      96_000, 192_000, 153_600, 122_880, 98_304, 96_000,
    ]);
    expect(encoders[0]?.settings.at(-1)).toEqual(encoderSettings(format('medium')));
  });

  test('begins a level for voice with more bits and a wider search', () => {
    const { encoder, encoders, format } = bench(1, { vbr: false });
    const low = encoderSettings(format('low'), { vbr: false });
    encoder.setFormat(format('low'));
    for (let i = 0; i < 5; i++) encoder.encode(count(0, 960), 960, out);
    expect(encoders[0]?.settings.slice(1)).toEqual([
      { ...low, bitrate: 56_000, complexity: 5, vbr: true },
      { ...low, bitrate: 44_800 },
      { ...low, bitrate: 35_840 },
      low,
    ]);
  });

  test('begins it so once, and with no less than the level and the configuration give', () => {
    const { encoder, encoders, format } = bench(1, { complexity: 10 });
    const low = { ...format('low'), bitrate: 64_000 };
    encoder.setFormat(low);
    encoder.setFormat(low);
    const [, ...settings] = encoders[0]!.settings;
    expect(settings).toEqual([
      { ...encoderSettings(low, { complexity: 10 }), vbr: true },
      encoderSettings(low, { complexity: 10 }),
    ]);
  });

  test('has no more complexity than is allowed, whatever the level', () => {
    const { encoder, encoders, format } = bench();
    const usual = encoder.complexity;
    encoder.limitComplexity(2);
    expect(encoder.complexity).toBe(2);
    encoder.setFormat(format('ultra'));
    encoder.encode(count(0, 960), 960, out);
    expect(encoders[0]?.settings.slice(1).map(({ complexity }) => complexity)).toEqual([2, 2]);
    encoder.setFormat(format('medium'));
    encoder.limitComplexity(10);
    expect(encoder.complexity).toBe(usual);
    expect(encoders[0]?.settings.at(-1)?.complexity).toBe(usual);
  });

  test('keeps its application: another is a mistake of the caller', () => {
    const { encoder, encoders, format } = bench();
    expect(() => encoder.setFormat(format('low', 'lowdelay'))).toThrow();
    expect(encoders[0]?.settings).toHaveLength(1);
  });

  test('that was reset gives out nothing of before', () => {
    const backend = new NativeBackend(loadOpusAddon());
    const format = bench(2).format('ultra');
    const tone = Int16Array.from({ length: 2 * 480 }, (_, i) => 8_000 * Math.sin((i >> 1) / 15));
    const packet = new Uint8Array(4_096);
    const heard = [false, true].map((isReset) => {
      const encoder = new FrameEncoder(backend, 2, format, {});
      for (let i = 0; i < 5; i++) encoder.encode(tone, 480, packet);
      if (isReset) encoder.reset();
      const bytes = encoder.encode(new Int16Array(2 * 480), 480, packet);
      const pcm = new Int16Array(2 * 480);
      backend.createDecoder(2).decode(packet.subarray(0, bytes), pcm);
      encoder.close();
      return Math.max(...pcm.map(Math.abs));
    });
    expect(heard[0]).toBeGreaterThan(500);
    expect(heard[1]).toBeLessThan(5);
  });

  test.each([0, 4, 8, 12, 20, 30])('that was reset starts without a step (phase %i)', (phase) => {
    const backend = new NativeBackend(loadOpusAddon());
    const frames = 960;
    const step = (2 * Math.PI) / 48;
    const stepMax = Math.ceil(13_000 * step);
    const sound = Int16Array.from(
      { length: 2 * 3 * frames },
      (_, i) => 13_000 * Math.sin(step * ((i >> 1) + phase)),
    );
    const encoder = new FrameEncoder(backend, 2, bench(2).format('medium'), {});
    const decoder = backend.createDecoder(2);
    encoder.encode(sound.slice(0, 2 * frames), frames, out);
    encoder.reset();
    const heard: number[] = [0];
    for (let frame = 0; frame < 3; frame++) {
      const pcm = sound.subarray(2 * frame * frames, 2 * (frame + 1) * frames);
      const bytes = encoder.encode(pcm, frames, out);
      const decoded = new Int16Array(2 * frames);
      decoder.decode(out.subarray(0, bytes), decoded);
      heard.push(...decoded.filter((_, i) => i % 2 === 0));
    }
    encoder.close();
    decoder.close();
    expect(Math.max(...heard)).toBeGreaterThan(12_000);
    const steps = heard.slice(1).map((sample, i) => Math.abs(sample - (heard[i] ?? 0)));
    expect(Math.max(...steps)).toBeLessThanOrEqual(2 * stepMax);
  });

  test('closes its encoder', () => {
    const { encoder, encoders } = bench();
    encoder.close();
    expect(encoders[0]?.closed).toBe(true);
  });
});

describe('a frame encoder lends its encoder', () => {
  test('while the bitrate has not to be lowered from frame to frame', () => {
    const { encoder, encoders, format } = bench();
    const { role } = encoders[0]!;
    expect(encoder.role).toBe(role);
    encoder.setFormat(format('high'));
    expect(encoder.role).toBe(role);
    encoder.setFormat(format('medium'));
    let frames = 0;
    for (; encoder.role === undefined; frames++) encoder.encode(count(0, 960), 960, out);
    expect(frames).toBe(3);
    expect(encoder.role).toBe(role);
    expect(encoders[0]?.settings.at(-1)).toEqual(encoderSettings(format('medium')));
  });

  test('not in the first frames of a level for voice', () => {
    const { encoder, encoders, format } = bench(1, { vbr: false });
    encoder.setFormat(format('low'));
    expect(encoder.role).toBeUndefined();
    for (let i = 0; i < 5; i++) encoder.encode(count(0, 960), 960, out);
    expect(encoder.role).toBe(encoders[0]!.role);
  });

  test('where it has one that can be lent', () => {
    const { encoder, encoders } = bench();
    Object.assign(encoders[0]!, { role: undefined });
    expect(encoder.role).toBeUndefined();
  });
});
