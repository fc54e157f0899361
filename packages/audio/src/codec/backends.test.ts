import { loadOpusAddon } from '@kvm-audio/native-alsa/opus';
import type { Application, FrameMs } from '@kvm-audio/protocol';
import { Random } from '../../../../test/helpers/random.js';
import { musicSignal, speechSignal } from '../../../../test/helpers/syntheticSignals.js';
import {
  type EffectiveFormat,
  effectiveFormat,
  encoderSettings,
} from '../quality/effectiveFormat.js';
import { qualityLevels } from '../quality/qualityLevels.js';
import type { CodecBackend, EncoderSettings } from './CodecBackend.js';
import { CodecError } from './CodecError.js';
import { NativeBackend } from './NativeBackend.js';
import { packetBandwidth, packetChannels, packetFrames } from './opusPacket.js';
import { loadOpusScript } from './opusScript.js';
import { createWasmBackend } from './WasmBackend.js';

// Test only: the package itself loads no addon.
const native = new NativeBackend(loadOpusAddon());
const wasm = createWasmBackend();
const byName = { native, wasm };
const backends: ['native' | 'wasm', CodecBackend][] = [
  ['native', native],
  ['wasm', wasm],
];
const applications: Application[] = ['audio', 'voip', 'lowdelay'];
const frameLengthsMs: FrameMs[] = [2.5, 5, 10, 20, 40, 60];

const settings: EncoderSettings = {
  bitrate: 96_000,
  complexity: 4,
  vbr: true,
  constrainedVbr: true,
  dtx: false,
  fec: false,
  expectedLossPercent: 0,
  signal: 'auto',
  bandwidthMax: 'full',
  forcedChannels: 0,
};

/** libopus 1.3.1 with SSE and 1.4 without differ by ±1 in few samples: 103 dB at worst. */
const stepMax = 1;
const stepSnrMinDb = 95;

describe.each(['native', 'wasm'] as const)('packets of the %s encoder', (name) => {
  const combinations = qualityLevels.flatMap((level) =>
    (['output', 'input'] as const).flatMap((direction) =>
      ([1, 2] as const).map((channels) => [level, direction, channels] as const),
    ),
  );

  test.each(combinations)(
    'decode alike in both, at every length and application: %s %s, %i channels',
    (level, direction, deviceChannels) => {
      for (const application of applications) {
        for (const frameMs of frameLengthsMs) {
          const profile = 'microphone';
          const format = effectiveFormat({
            direction,
            profile,
            level,
            frameMs,
            application,
            deviceChannels,
          });
          const { heard, wrongRanges, wrongLengths } = decodeByBoth(name, format, deviceChannels);
          // Equal final ranges: both decoded each bit as the encoder meant it (RFC 6716 §6).
          expect({ wrongRanges, wrongLengths }).toEqual({ wrongRanges: 0, wrongLengths: 0 });
          expect(stepBetween(...heard)).toBeLessThanOrEqual(stepMax);
          expect(snrDb(...heard)).toBeGreaterThan(stepSnrMinDb);
        }
      }
    },
  );
});

const material = {
  speech: { 1: speechSignal(9600, 1), 2: speechSignal(9600, 2) },
  music: { 1: musicSignal(9600, 1), 2: musicSignal(9600, 2) },
};

/** 200 ms in the format, encoded by one backend and decoded by each. */
function decodeByBoth(name: 'native' | 'wasm', format: EffectiveFormat, channels: 1 | 2) {
  const frames = format.frameMs * 48;
  const count = Math.floor(9600 / frames);
  const pcm = material[format.level === 'low' ? 'speech' : 'music'][channels].subarray(
    0,
    count * frames * channels,
  );
  const heard: [Int16Array, Int16Array] = [new Int16Array(pcm.length), new Int16Array(pcm.length)];
  const encoder = byName[name].createEncoder(format.application, channels, encoderSettings(format));
  const decoders = [native.createDecoder(channels), wasm.createDecoder(channels)];
  const packet = new Uint8Array(format.maxPacketBytes);
  let wrongRanges = 0;
  let wrongLengths = 0;
  for (let at = 0; at < pcm.length; at += frames * channels) {
    const coded = packet.subarray(0, encoder.encode(pcm.subarray(at), frames, packet));
    if (packetFrames(coded) !== frames) wrongLengths++;
    decoders.forEach((decoder, i) => {
      if (decoder.decode(coded, heard[i]!.subarray(at)) !== frames) wrongLengths++;
      if (decoder.finalRange !== encoder.finalRange) wrongRanges++;
    });
  }
  for (const each of [encoder, ...decoders]) each.close();
  return { heard, wrongRanges, wrongLengths };
}

describe.each(backends)('the %s backend', (name, backend) => {
  test.each([
    ['low', speechSignal, 0.85],
    ['medium', musicSignal, 0.98],
    ['high', musicSignal, 0.99],
    ['ultra', musicSignal, 0.99],
  ] as const)('gives back at %s what it was given', (level, signal, correlationMin) => {
    for (const channels of [1, 2] as const) {
      const format = effectiveFormat({
        direction: 'output',
        profile: 'program',
        level,
        deviceChannels: channels,
      });
      const frames = format.frameMs * 48;
      const pcm = signal(48_000, channels);
      const encoder = backend.createEncoder(format.application, channels, encoderSettings(format));
      const heard = roundTrip(backend, encoder, pcm, frames);
      expect(correlation(pcm, heard, encoder.lookaheadSamples * channels)).toBeGreaterThan(
        correlationMin,
      );
      encoder.close();
    }
  });

  test('says how far its packets lag: 6.5 ms, and 2.5 ms with low delay', () => {
    const lag = (application: Application) => {
      const encoder = backend.createEncoder(application, 2, settings);
      const { lookaheadSamples } = encoder;
      encoder.close();
      return lookaheadSamples;
    };
    expect(applications.map(lag)).toEqual([312, 312, 120]);
  });

  test('takes every control live, and libopus has what was set', () => {
    const encoder = byName[name].createEncoder('voip', 2, settings);
    expect(encoder.settings()).toEqual(settings);
    const changes: Partial<EncoderSettings>[] = [
      { bitrate: 24_000 },
      { complexity: 9 },
      { vbr: false },
      { constrainedVbr: false },
      { dtx: true },
      { fec: true },
      { expectedLossPercent: 15 },
      { signal: 'voice' },
      { signal: 'music' },
      ...(['narrow', 'medium', 'wide', 'superwide'] as const).map((bandwidthMax) => ({
        bandwidthMax,
      })),
      { forcedChannels: 1 },
      { forcedChannels: 2 },
    ];
    const pcm = musicSignal(960, 2);
    const packet = new Uint8Array(1276);
    for (const change of changes) {
      encoder.configure({ ...settings, ...change });
      encoder.encode(pcm, 960, packet);
      expect(encoder.settings()).toEqual({ ...settings, ...change });
    }
    expect(new Set(changes.flatMap(Object.keys))).toEqual(new Set(backend.capabilities.controls));
    encoder.close();
  });

  test('codes what bandwidth and channels say', () => {
    const encoder = backend.createEncoder('audio', 2, {
      ...settings,
      bandwidthMax: 'superwide',
      forcedChannels: 1,
    });
    const packet = new Uint8Array(1276);
    const pcm = musicSignal(960, 2);
    for (let n = 0; n < 5; n++) encoder.encode(pcm, 960, packet);
    expect(packetBandwidth(packet)).toBe('superwide');
    expect(packetChannels(packet)).toBe(1);
    encoder.close();
  });

  test('refuses settings as a whole: a bad one changes nothing', () => {
    const encoder = byName[name].createEncoder('audio', 1, settings);
    const bad: Partial<EncoderSettings>[] = [
      { bitrate: 0 },
      { bitrate: 400_000 },
      { bitrate: 64_000.5 },
      { complexity: 11 },
      { expectedLossPercent: 101 },
      { forcedChannels: 2 },
      { signal: 'noise' as 'auto' },
    ];
    for (const each of bad) {
      const error = errorOf(() => encoder.configure({ ...settings, complexity: 1, ...each }));
      expect(error).toMatchObject({ code: 'CODEC_BAD_ARGUMENT', opusName: 'OPUS_BAD_ARG' });
    }
    expect(encoder.settings()).toEqual(settings);
    encoder.close();
  });

  test('names what was wrong with a call', () => {
    const encoder = backend.createEncoder('audio', 2, settings);
    const decoder = backend.createDecoder(2);
    const pcm = new Int16Array(1920);
    const packet = new Uint8Array(1276);
    const bytes = encoder.encode(pcm, 960, packet);
    const coded = packet.slice(0, bytes);
    const cases: [() => unknown, string, number][] = [
      [() => encoder.encode(pcm, 961, packet), 'CODEC_BAD_ARGUMENT', -1],
      [() => encoder.encode(pcm, 1920, packet), 'CODEC_BAD_ARGUMENT', -1],
      [
        () => encoder.encode(musicSignal(960, 2), 960, packet.subarray(0, 0)),
        'CODEC_BUFFER_TOO_SMALL',
        -2,
      ],
      [() => decoder.decode(coded, pcm.subarray(0, 1918)), 'CODEC_BUFFER_TOO_SMALL', -2],
      [() => decoder.decode(new Uint8Array(0), pcm), 'CODEC_INVALID_PACKET', -4],
      [() => decoder.decode(Uint8Array.of(0xfb, 0), pcm), 'CODEC_INVALID_PACKET', -4],
      [() => decoder.decode(new Uint8Array(9000).fill(0xf8), pcm), 'CODEC_INVALID_PACKET', -4],
      [() => decoder.decodeFec(new Uint8Array(0), 960, pcm), 'CODEC_INVALID_PACKET', -4],
      [() => decoder.conceal(100, pcm), 'CODEC_BAD_ARGUMENT', -1],
      [() => decoder.conceal(1920, pcm), 'CODEC_BUFFER_TOO_SMALL', -2],
      [() => backend.createDecoder(3 as 2), 'CODEC_BAD_ARGUMENT', -1],
      [() => backend.createEncoder('talk' as 'voip', 2, settings), 'CODEC_BAD_ARGUMENT', -1],
    ];
    for (const [call, code, opusCode] of cases) {
      const error = errorOf(call);
      expect(error).toMatchObject({ code, opusCode });
      expect(error).toBeInstanceOf(CodecError);
    }
    expect(decoder.decode(coded, pcm)).toBe(960);
    encoder.close();
    decoder.close();
  });

  test('says which call failed, in libopus’ own words', () => {
    const decoder = backend.createDecoder(1);
    const error = errorOf(() => decoder.decode(Uint8Array.of(0xff), new Int16Array(960)));
    expect(error).toMatchObject({
      name: 'CodecError',
      opusName: 'OPUS_INVALID_PACKET',
      call: 'opus_decode',
      message: 'opus_decode: corrupt packet (OPUS_INVALID_PACKET)',
    });
    decoder.close();
  });

  test('closes more than once, and is then of no more use', () => {
    const encoder = backend.createEncoder('audio', 1, settings);
    const decoder = backend.createDecoder(1);
    for (const each of [encoder, encoder, decoder, decoder]) each.close();
    const pcm = new Int16Array(960);
    const packet = Uint8Array.of(0xf8);
    for (const call of [
      () => encoder.encode(pcm, 960, packet),
      () => encoder.configure(settings),
      () => encoder.reset(),
      () => decoder.decode(packet, pcm),
      () => decoder.decodeFec(packet, 960, pcm),
      () => decoder.conceal(960, pcm),
      () => decoder.reset(),
    ]) {
      expect(errorOf(call)).toMatchObject({ code: 'CODEC_CLOSED' });
    }
  });

  test('starts anew after reset: the same PCM gives the same packets', () => {
    const encoder = backend.createEncoder('audio', 2, settings);
    const pcm = musicSignal(960 * 5, 2);
    const first = packetsOf(encoder, pcm, 960);
    encoder.reset();
    expect(hexOf(packetsOf(encoder, pcm, 960))).toEqual(hexOf(first));
    encoder.close();
  });

  test('outlives garbage: each packet decodes to its length or is refused', () => {
    const random = new Random(7);
    const decoder = backend.createDecoder(2);
    const out = new Int16Array(5760 * 2);
    let refused = 0;
    for (let n = 0; n < 5000; n++) {
      const packet = random.bytes(random.integer(0, n % 10 === 0 ? 1400 : 40));
      try {
        expect(decoder.decode(packet, out)).toBe(packetFrames(packet));
      } catch (error) {
        expect(error).toMatchObject({ code: 'CODEC_INVALID_PACKET' });
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(100);
    expect(refused).toBeLessThan(4900);
    decoder.close();
  });

  test('outlives garbage behind a loss: what was lost has its length, or the packet is refused', () => {
    const random = new Random(8);
    const decoder = backend.createDecoder(2);
    const out = new Int16Array(5760 * 2);
    for (let n = 0; n < 2000; n++) {
      const packet = random.bytes(random.integer(0, n % 10 === 0 ? 1400 : 40));
      const frames = 120 * random.integer(1, 48);
      try {
        expect(decoder.decodeFec(packet, frames, out)).toBe(frames);
      } catch (error) {
        expect(error).toMatchObject({ code: 'CODEC_INVALID_PACKET' });
      }
      expect(decoder.conceal(frames, out)).toBe(frames);
    }
    decoder.close();
  });
});

test('the wasm encoder has stack enough for the longest frame: memory below stays as it was', () => {
  // Where opusscript would have its stack, of 64 KiB, but for the move.
  const linkedStack = () => Buffer.from(loadOpusScript().HEAPU8.slice(60_464, 126_000));
  const before = linkedStack();
  const encoder = wasm.createEncoder('voip', 2, { ...settings, complexity: 10, fec: true });
  packetsOf(encoder, speechSignal(2880 * 10, 2), 2880);
  expect(linkedStack().equals(before)).toBe(true);
  encoder.close();
});

test('many wasm codecs at once keep to their own memory', () => {
  const pcm = musicSignal(960 * 10, 2);
  const alone = wasm.createEncoder('audio', 2, settings);
  const expected = packetsOf(alone, pcm, 960);
  alone.close();
  const encoders = Array.from({ length: 6 }, () => wasm.createEncoder('audio', 2, settings));
  const decoders = encoders.map(() => wasm.createDecoder(2));
  const out = new Int16Array(1920);
  const packet = new Uint8Array(1276);
  const packets = encoders.map((): Uint8Array[] => []);
  for (let n = 0; n < 10; n++) {
    encoders.forEach((encoder, i) => {
      const bytes = encoder.encode(pcm.subarray(n * 1920), 960, packet);
      packets[i]!.push(packet.slice(0, bytes));
      decoders[i]!.decode(packet.subarray(0, bytes), out);
    });
  }
  for (const each of packets) expect(hexOf(each)).toEqual(hexOf(expected));
  for (const each of [...encoders, ...decoders]) each.close();
});

function hexOf(packets: Uint8Array[]): string[] {
  return packets.map((packet) => Buffer.from(packet).toString('hex'));
}

type Encoder = ReturnType<CodecBackend['createEncoder']>;

function packetsOf(encoder: Encoder, pcm: Int16Array, frames: number): Uint8Array[] {
  const samples = frames * encoder.channels;
  const packet = new Uint8Array(4096);
  const packets: Uint8Array[] = [];
  for (let at = 0; at + samples <= pcm.length; at += samples) {
    packets.push(packet.slice(0, encoder.encode(pcm.subarray(at), frames, packet)));
  }
  return packets;
}

function roundTrip(backend: CodecBackend, encoder: Encoder, pcm: Int16Array, frames: number) {
  const heard = new Int16Array(pcm.length);
  const decoder = backend.createDecoder(encoder.channels);
  packetsOf(encoder, pcm, frames).forEach((packet, n) => {
    decoder.decode(packet, heard.subarray(n * frames * encoder.channels));
  });
  decoder.close();
  return heard;
}

function stepBetween(a: Int16Array, b: Int16Array): number {
  return a.reduce((worst, sample, i) => Math.max(worst, Math.abs(sample - b[i]!)), 0);
}

function snrDb(signal: Int16Array, other: Int16Array): number {
  let power = 0;
  let error = 0;
  signal.forEach((sample, i) => {
    power += sample ** 2;
    error += (sample - other[i]!) ** 2;
  });
  return error === 0 ? Infinity : 10 * Math.log10(power / error);
}

/** Of `given` and what was `heard` `lag` samples later, without the first 0.2 s. */
function correlation(given: Int16Array, heard: Int16Array, lag: number): number {
  let [xx, yy, xy] = [0, 0, 0];
  for (let i = 19_200; i + lag < given.length; i++) {
    xx += given[i]! ** 2;
    yy += heard[i + lag]! ** 2;
    xy += given[i]! * heard[i + lag]!;
  }
  return xy / Math.sqrt(xx * yy);
}

function errorOf(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}
