import { opusPacketMs } from './opusPacketMs.js';
import { SentStream, type TalkerPacket } from './SentStream.js';

const payload = Uint8Array.of(0xf8, 1);

describe('the stream of a talker', () => {
  test('counts by itself, by the length that each packet says', () => {
    const stream = new SentStream();
    const sent = [0xf8, 0xf0, 0xf8].map((toc) => {
      const next = stream.next({ payload: Uint8Array.of(toc) }, undefined, 5);
      return [next.seq, next.mediaTime, next.durationMs];
    });
    expect(sent).toEqual([
      [0, 0, 20],
      [1, 960, 10],
      [2, 1440, 20],
    ]);
  });

  test('goes on from what the caller said last', () => {
    const stream = new SentStream();
    stream.next({ payload, seq: 0xffff_ffff, mediaTime: 5_000 }, undefined, 20);
    expect(stream.next({ payload }, undefined, 20)).toMatchObject({
      seq: 0,
      mediaTime: 5_960,
    });
  });

  test('takes a length from the caller, and a default for a packet that has none', () => {
    const stream = new SentStream();
    expect(stream.next({ payload }, 60, 20).durationMs).toBe(60);
    expect(stream.next({ payload: Uint8Array.of(0xff) }, undefined, 40).durationMs).toBe(40);
    expect(stream.next({ payload }, undefined, 20).mediaTime).toBe(100 * 48);
  });

  test.each([
    ['payload of 0 bytes', { payload: new Uint8Array(0) }, undefined],
    ['payload of 4097 bytes', { payload: new Uint8Array(4_097) }, undefined],
    ['seq must be', { payload, seq: -1 }, undefined],
    ['seq must be', { payload, seq: 2 ** 32 }, undefined],
    ['mediaTime must be', { payload, mediaTime: 0.5 }, undefined],
    ['captureTimeUs must be', { payload, captureTimeUs: 1.5 }, undefined],
    ['flags must be', { payload, flags: 128 }, undefined],
    ['durationMs must be', { payload }, 0],
    ['durationMs must be', { payload }, 121],
    ['durationMs must be', { payload }, Number.NaN],
  ] as [string, TalkerPacket, number | undefined][])(
    'refuses what is out of bounds, and does not go on: %s',
    (message, packet, durationMs) => {
      const stream = new SentStream();
      expect(() => stream.next(packet, durationMs, 20)).toThrow(RangeError);
      expect(() => stream.next(packet, durationMs, 20)).toThrow(message);
      expect(stream.next({ payload }, undefined, 20)).toMatchObject({ seq: 0, mediaTime: 0 });
    },
  );
});

describe('the length of an Opus packet', () => {
  test.each([
    ['SILK, 10 ms', [0x00], 10],
    ['SILK, 60 ms', [0x18], 60],
    ['hybrid, 20 ms', [0x68], 20],
    ['hybrid, 10 ms', [0x60], 10],
    ['CELT, 2.5 ms', [0x80], 2.5],
    ['CELT, 20 ms', [0xf8], 20],
    ['two equal frames', [0xf9], 40],
    ['two frames', [0xfa, 1], 40],
    ['three frames of 20 ms', [0xfb, 0x03], 60],
    ['six frames of 20 ms, with padding', [0xfb, 0x46], 120],
    ['no frames', [0xfb, 0], undefined],
    ['no count of frames', [0xfb], undefined],
    ['over 120 ms', [0xfb, 7], undefined],
    ['nothing', [], undefined],
  ])('is said by its first bytes: %s', (_, bytes, ms) => {
    expect(opusPacketMs(Uint8Array.from(bytes))).toBe(ms);
  });
});
