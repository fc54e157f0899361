import { loadOpusAddon } from '@kvm-audio/native-alsa/opus';
import type { Application } from '@kvm-audio/protocol';
import { musicSignal, speechSignal } from '../../../../test/helpers/syntheticSignals.js';
import type { CodecBackend, EncoderSettings, OpusDecoder } from './CodecBackend.js';
import { NativeBackend } from './NativeBackend.js';
import { isDtx } from './opusPacket.js';
import { createWasmBackend } from './WasmBackend.js';

const native = new NativeBackend(loadOpusAddon());
const wasm = createWasmBackend();
const backends: [string, CodecBackend][] = [
  ['native', native],
  ['wasm', wasm],
];

const voice: EncoderSettings = {
  bitrate: 24_000,
  complexity: 5,
  vbr: true,
  constrainedVbr: true,
  dtx: false,
  fec: false,
  expectedLossPercent: 0,
  signal: 'voice',
  bandwidthMax: 'wide',
  forcedChannels: 0,
};
const music: EncoderSettings = {
  ...voice,
  bitrate: 128_000,
  signal: 'music',
  bandwidthMax: 'full',
};

describe.each(backends)('concealment by the %s backend', (name, backend) => {
  test.each([120, 240, 480, 960, 1920, 2880, 360, 1200, 5760])(
    'gives exactly %i frames, and the decoder goes on',
    (frames) => {
      for (const [application, settings, signal] of [
        ['voip', voice, speechSignal],
        ['audio', music, musicSignal],
      ] as const) {
        const packets = packetsOf(backend, application, settings, signal(960 * 20, 2));
        const decoder = backend.createDecoder(2);
        const out = new Int16Array(5760 * 2 + 2).fill(12_345);
        for (const packet of packets.slice(0, 15)) decoder.decode(packet, out);
        out.fill(12_345);
        expect(decoder.conceal(frames, out)).toBe(frames);
        const made = out.subarray(0, frames * 2);
        expect(out.subarray(frames * 2).every((sample) => sample === 12_345)).toBe(true);
        expect(made.some((sample) => Math.abs(sample) > 50)).toBe(true);
        expect(decoder.decode(packets[15]!, out)).toBe(960);
        decoder.close();
      }
    },
  );

  test('is silence before anything was heard', () => {
    const decoder = backend.createDecoder(1);
    const out = new Int16Array(960).fill(1);
    expect(decoder.conceal(960, out)).toBe(960);
    expect(out.every((sample) => sample === 0)).toBe(true);
    decoder.close();
  });

  test('says what it can do', () => {
    expect(backend.capabilities).toMatchObject({
      backend: name,
      exactPlc: true,
      fec: name === 'native',
    });
    expect(backend.capabilities.version).toMatch(/^libopus 1\.\d/);
  });
});

describe('a packet that says "lost" for a length', () => {
  // The wasm backend conceals with such packets, because opusscript takes no length.
  test.each([
    ['voip', voice, speechSignal],
    ['audio', music, musicSignal],
    ['voip', { ...music, bitrate: 40_000, bandwidthMax: 'superwide' as const }, speechSignal],
  ] as const)('conceals as libopus does for a missing one: %s', (application, settings, signal) => {
    const packets = packetsOf(native, application, settings, signal(960 * 30, 2));
    for (const [frames, config] of [
      [120, 28],
      [240, 29],
      [480, 30],
      [960, 31],
    ] as const) {
      const told = native.createDecoder(2);
      const missing = native.createDecoder(2);
      packets.forEach((packet, n) => {
        expect(decoded(told, packet)).toEqual(decoded(missing, packet));
        if (n % 7 !== 6) return;
        const stereoBit = packet[0]! & 0b100;
        const out = new Int16Array(frames * 2);
        missing.conceal(frames, out);
        expect(decoded(told, Uint8Array.of((config << 3) | stereoBit))).toEqual(out);
      });
      told.close();
      missing.close();
    }
  });

  test('makes both backends conceal alike, within one step', () => {
    const packets = packetsOf(native, 'voip', voice, speechSignal(960 * 30, 1), 1);
    const [a, b] = [native.createDecoder(1), wasm.createDecoder(1)];
    const [x, y] = [new Int16Array(960), new Int16Array(960)];
    packets.forEach((packet, n) => {
      if (n % 5 === 4) {
        a.conceal(960, x);
        b.conceal(960, y);
      } else {
        a.decode(packet, x);
        b.decode(packet, y);
      }
      expect(x.every((sample, i) => Math.abs(sample - y[i]!) <= 1)).toBe(true);
    });
    a.close();
    b.close();
  });
});

describe('in-band FEC', () => {
  const fec: EncoderSettings = { ...voice, fec: true, expectedLossPercent: 20 };
  const speech = speechSignal(960 * 100, 1);

  /** Energy of what was made of every fifth packet, less what it would have been. */
  function errorEnergy(decoderOf: CodecBackend, recover: 'fec' | 'plc', settings = fec): number {
    const packets = packetsOf(native, 'voip', settings, speech, 1);
    const whole = decoderOf.createDecoder(1);
    const lossy = decoderOf.createDecoder(1);
    const [right, made] = [new Int16Array(960), new Int16Array(960)];
    let energy = 0;
    packets.forEach((packet, n) => {
      whole.decode(packet, right);
      const next = packets[n + 1];
      if (n % 5 !== 4 || next === undefined) {
        lossy.decode(packet, made);
        return;
      }
      const frames =
        recover === 'fec' ? lossy.decodeFec(next, 960, made) : lossy.conceal(960, made);
      expect(frames).toBe(960);
      made.forEach((sample, i) => {
        energy += (sample - right[i]!) ** 2;
      });
    });
    whole.close();
    lossy.close();
    return energy;
  }

  test('brings a lost packet of speech back better than concealment does', () => {
    expect(errorEnergy(native, 'fec')).toBeLessThan(errorEnergy(native, 'plc') / 4);
  });

  test('conceals where the next packet carries none, and where the backend cannot', () => {
    expect(errorEnergy(native, 'fec', voice)).toBe(errorEnergy(native, 'plc', voice));
    expect(errorEnergy(wasm, 'fec')).toBe(errorEnergy(wasm, 'plc'));
  });
});

describe.each(backends)('DTX of the %s encoder', (_, backend) => {
  test('makes silence packets of one or two bytes, which decode to their length', () => {
    const silence = new Int16Array(960 * 100);
    const packets = packetsOf(backend, 'voip', { ...voice, dtx: true }, silence, 1);
    const quiet = packets.filter(({ length }) => isDtx(length));
    expect(quiet.length).toBeGreaterThan(70);
    const decoder = backend.createDecoder(1);
    const out = new Int16Array(960);
    for (const packet of packets) expect(decoder.decode(packet, out)).toBe(960);
    decoder.close();
  });

  test('is off by default: every packet of silence is a whole one', () => {
    const silence = new Int16Array(960 * 50);
    expect(
      packetsOf(backend, 'voip', voice, silence, 1).filter(({ length }) => isDtx(length)),
    ).toEqual([]);
  });
});

function packetsOf(
  backend: CodecBackend,
  application: Application,
  settings: EncoderSettings,
  pcm: Int16Array,
  channels: 1 | 2 = 2,
): Uint8Array[] {
  const encoder = backend.createEncoder(application, channels, settings);
  const packet = new Uint8Array(1276);
  const packets: Uint8Array[] = [];
  for (let at = 0; at + 960 * channels <= pcm.length; at += 960 * channels) {
    packets.push(packet.slice(0, encoder.encode(pcm.subarray(at), 960, packet)));
  }
  encoder.close();
  return packets;
}

function decoded(decoder: OpusDecoder, packet: Uint8Array): Int16Array {
  const out = new Int16Array(5760 * 2);
  return out.slice(0, decoder.decode(packet, out) * decoder.channels);
}
