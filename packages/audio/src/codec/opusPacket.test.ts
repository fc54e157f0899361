import { isDtx, packetBandwidth, packetChannels, packetFrames } from './opusPacket.js';

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
