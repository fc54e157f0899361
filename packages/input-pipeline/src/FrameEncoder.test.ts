import {
  type CodecBackend,
  type EncoderSettings,
  effectiveFormat,
  type OpusEncoder,
  type QualityLevel,
} from '@kvm-audio/audio';
import { FrameEncoder } from './FrameEncoder.js';

type Application = OpusEncoder['application'];

/** An encoder that keeps what it was given. */
class FakeEncoder implements OpusEncoder {
  readonly lookaheadSamples: number;
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

  test('takes another encoder for another application, and closes the first', () => {
    const { encoder, encoders, format } = bench();
    encoder.setFormat(format('medium', 'lowdelay'));
    expect(encoders.map(({ application, closed }) => [application, closed])).toEqual([
      ['audio', true],
      ['lowdelay', false],
    ]);
    expect(encoder.lookaheadSamples).toBe(120);
    encoder.encode(count(0, 480), 480, out);
    expect(encoders[1]?.encoded.at(-1)).toEqual([...count(0, 480)]);
  });

  test.each([
    [1, 120],
    [1, 480],
    [1, 960],
    [2, 960],
    [2, 2_880],
  ] as const)(
    'warms another encoder up with the newest 20 ms (%i channels, %i frames)',
    (channels, frames) => {
      const { encoder, encoders, format } = bench(channels);
      let at = 0;
      for (; at < 3_000; at += frames) encoder.encode(count(at, frames, channels), frames, out);
      encoder.setFormat(format('low'));
      expect(encoders[1]?.encoded).toEqual([[...count(at - 960, 960, channels)]]);
    },
  );

  test('warms up with silence before the first sample', () => {
    const { encoder, encoders, format } = bench();
    encoder.encode(count(1, 480), 480, out);
    encoder.setFormat(format('low'));
    expect(encoders[1]?.encoded[0]).toEqual([...Array(480).fill(0), ...count(1, 480)]);
  });

  test('keeps the running encoder where no other can be made', () => {
    const { encoder, encoders, format } = bench();
    const failing = new FrameEncoder(
      {
        ...({} as CodecBackend),
        createEncoder: (application, channels, settings) => {
          if (application !== 'audio') throw new Error('no memory');
          const made = new FakeEncoder(application, channels, settings);
          encoders.push(made);
          return made;
        },
      },
      1,
      format('medium'),
      {},
    );
    expect(() => failing.setFormat(format('low'))).toThrow('no memory');
    expect(failing.encode(count(0, 480), 480, out)).toBe(1);
    encoder.close();
  });

  test('closes its encoder', () => {
    const { encoder, encoders } = bench();
    encoder.close();
    expect(encoders[0]?.closed).toBe(true);
  });
});
