import { loadOpusAddon } from '@kvm-audio/native-alsa/opus';
import { speechSignal } from '../../../../test/helpers/syntheticSignals.js';
import { NativeBackend } from './NativeBackend.js';
import {
  hasRedundancy,
  isDtx,
  packetBandwidth,
  packetChannels,
  packetFrames,
} from './opusPacket.js';

const packet = (...bytes: number[]) => Uint8Array.from(bytes);

describe('the first byte of a packet', () => {
  // Golden bytes: RFC 6716, table 2.
  test.each([
    [0x00, 480, 'narrow', 1, 'SILK 10 ms'],
    [0x18, 2880, 'narrow', 1, 'SILK 60 ms'],
    [0x28, 960, 'medium', 1, 'SILK 20 ms'],
    [0x48, 960, 'wide', 1, 'SILK 20 ms'],
    [0x4c, 960, 'wide', 2, 'SILK 20 ms stereo'],
    [0x58, 2880, 'wide', 1, 'SILK 60 ms'],
    [0x60, 480, 'superwide', 1, 'hybrid 10 ms'],
    [0x78, 960, 'full', 1, 'hybrid 20 ms'],
    [0x80, 120, 'narrow', 1, 'CELT 2.5 ms'],
    [0xa8, 240, 'wide', 1, 'CELT 5 ms'],
    [0xd0, 480, 'superwide', 1, 'CELT 10 ms'],
    [0xf8, 960, 'full', 1, 'CELT 20 ms'],
    [0xfc, 960, 'full', 2, 'CELT 20 ms stereo'],
  ])('TOC %i tells %i frames, %s band, %i channels (%s)', (toc, frames, bandwidth, channels) => {
    expect(packetFrames(packet(toc, 0))).toBe(frames);
    expect(packetBandwidth(packet(toc))).toBe(bandwidth);
    expect(packetChannels(packet(toc))).toBe(channels);
  });

  test('counts the coded frames of each of the four codes', () => {
    expect(packetFrames(packet(0xf8, 1, 2))).toBe(960);
    expect(packetFrames(packet(0xf9, 1, 2))).toBe(1920);
    expect(packetFrames(packet(0xfa, 1, 2))).toBe(1920);
    expect(packetFrames(packet(0xfb, 3, 9))).toBe(2880);
    expect(packetFrames(packet(0xfb, 0xc6, 9))).toBe(5760);
  });

  test('gives the length at another rate', () => {
    expect(packetFrames(packet(0xf8, 1), 8000)).toBe(160);
  });

  test('is refused where no valid packet begins so', () => {
    expect(packetFrames(packet())).toBeUndefined();
    expect(packetFrames(packet(0xf9, 1))).toBeUndefined(); // two frames of equal size: odd payload
    expect(packetFrames(packet(0xfa))).toBeUndefined(); // no length of the first frame
    expect(packetFrames(packet(0xfb))).toBeUndefined(); // no count
    expect(packetFrames(packet(0xfb, 0))).toBeUndefined(); // no frames
    expect(packetFrames(packet(0xfb, 7))).toBeUndefined(); // 140 ms
    expect(packetChannels(packet())).toBeUndefined();
    expect(packetBandwidth(packet())).toBeUndefined();
  });

  test('makes a DTX packet with at most one byte after it', () => {
    expect(
      [packet(), packet(0xf8), packet(0xf8, 0), packet(0xf8, 0, 0)].map(({ length }) =>
        isDtx(length),
      ),
    ).toEqual([false, true, true, false]);
  });
});

describe('in-band redundancy', () => {
  test.each([
    ['20 ms', [0x48, 0x40], true],
    ['20 ms, a voice alone', [0x48, 0x80], false],
    ['60 ms', [0x58, 0x10], true],
    ['60 ms, the third voice', [0x58, 0x20], false],
    ['stereo, of the second channel', [0x4c, 0x10], true],
    ['stereo, the second voice', [0x4c, 0x20], false],
    ['60 ms stereo, of the second channel', [0x5c, 0x01], true],
    ['mono, where stereo would have it', [0x48, 0x10], false],
    ['of two frames of one length', [0x49, 0x40], true],
    ['of two frames', [0x4a, 3, 0x40], true],
    ['of two frames, the first long', [0x4a, 252, 1, 0x40], true],
    ['of two frames, where the length is', [0x4a, 0x40, 0], false],
    ['of some frames', [0x4b, 2, 0x40], true],
    ['of some frames with lengths', [0x4b, 0x83, 1, 252, 1, 0x40], true],
    ['behind the length of a padding', [0x4b, 0x42, 255, 255, 3, 0x40], true],
    ['behind paddings and lengths', [0x4b, 0xc2, 255, 3, 9, 0x40], true],
    ['hybrid', [0x78, 0x40], true],
    ['CELT, which has none', [0xf8, 0xff], false],
    ['without a frame', [0x48], false],
    ['without a byte', [], false],
  ] as const)('is seen: %s', (_, bytes, expected) => {
    expect(hasRedundancy(packet(...bytes))).toBe(expected);
  });

  test.each([true, false])('is what an encoder that is told to (%s) sends', (fec) => {
    const encoder = new NativeBackend(loadOpusAddon()).createEncoder('voip', 1, {
      bitrate: 24_000,
      complexity: 5,
      vbr: true,
      constrainedVbr: true,
      dtx: false,
      fec,
      expectedLossPercent: 20,
      signal: 'voice',
      bandwidthMax: 'wide',
      forcedChannels: 0,
    });
    const speech = speechSignal(50 * 960, 1);
    const out = Buffer.alloc(1_000);
    const counts = Array.from({ length: 50 }, (__, i) => {
      const bytes = encoder.encode(speech.subarray(i * 960), 960, out);
      return hasRedundancy(out.subarray(0, bytes)) ? 1 : 0;
    });
    encoder.close();
    const told = counts.reduce((sum: number, count) => sum + count, 0);
    if (fec) expect(told).toBeGreaterThan(25);
    else expect(told).toBe(0);
  });
});
