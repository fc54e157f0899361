import { wireBytes } from '../../../test/helpers/wireBytes.js';
import {
  type AudioPacket,
  AudioPacketReader,
  isAudioPacket,
  packetFlags,
  packetHeaderBytesMax,
  writePacketHeader,
} from './audioPacket.js';
import { lengthFieldBytes, limits } from './limits.js';
import { scanMessage } from './scanMessage.js';

function written(packet: AudioPacket): string {
  const slot = Buffer.alloc(packetHeaderBytesMax + packet.payload.length, 0xee);
  slot.set(packet.payload, packetHeaderBytesMax);
  const start = writePacketHeader(
    slot,
    packet.payload.length,
    packet.seq,
    packet.mediaTime,
    packet.captureTimeUs,
    packet.flags,
  );
  return slot.subarray(start).toString('hex');
}

function readBody(body: Buffer): AudioPacket {
  expect(isAudioPacket(body, 0, body.length)).toBe(true);
  const packet = new AudioPacketReader().read(body, 0, body.length);
  const { seq, mediaTime, captureTimeUs, flags } = packet;
  return { seq, mediaTime, captureTimeUs, flags, payload: Uint8Array.from(packet.payload) };
}

const payload = Uint8Array.of(0xfc, 1, 2);

describe('an audio packet', () => {
  const golden: [string, string, AudioPacket][] = [
    [
      'with a capture time',
      `00000020 96 03 ce00000007 cf00000000000003c0 cf0000000000004e20 00 c50003 fc0102`,
      { seq: 7, mediaTime: 960, captureTimeUs: 20_000, flags: 0, payload },
    ],
    [
      'without a capture time',
      `00000018 96 03 ce00000007 cf00000000000003c0 c0 00 c50003 fc0102`,
      { seq: 7, mediaTime: 960, captureTimeUs: undefined, flags: 0, payload },
    ],
    [
      'with times above 2^32, the last seq, both flags',
      `00000020 96 03 ceffffffff cf0000000123456789 cf0012345689abcdef 03 c50003 fc0102`,
      {
        seq: 0xffff_ffff,
        mediaTime: 0x1_2345_6789,
        captureTimeUs: 0x12_3456_89ab_cdef,
        flags: packetFlags.discontinuity | packetFlags.dtx,
        payload,
      },
    ],
    [
      'with the largest times that are exact',
      `00000020 96 03 ce00000000 cf001fffffffffffff cf001fffffffffffff 02 c50003 fc0102`,
      {
        seq: 0,
        mediaTime: Number.MAX_SAFE_INTEGER,
        captureTimeUs: Number.MAX_SAFE_INTEGER,
        flags: packetFlags.dtx,
        payload,
      },
    ],
  ];

  test.each(golden)('%s is written and read as on the page', (_, page, packet) => {
    const bytes = wireBytes(page);
    expect(written(packet)).toBe(bytes.toString('hex'));
    expect(bytes.readUInt32BE(0)).toBe(bytes.length - lengthFieldBytes);
    expect(readBody(bytes.subarray(lengthFieldBytes))).toEqual(packet);
    // One value of MessagePack and nothing behind it: what every library reads.
    expect(() => scanMessage(bytes, lengthFieldBytes, bytes.length)).not.toThrow();
  });

  test.each([1, 2, 255, 256, limits.packetPayloadBytesMax])(
    'with a payload of %i bytes comes back whole',
    (count) => {
      const packet = {
        seq: 1,
        mediaTime: 2,
        captureTimeUs: 3,
        flags: 0,
        payload: Uint8Array.from({ length: count }, (_, i) => i % 251),
      };
      const bytes = Buffer.from(written(packet), 'hex');
      expect(readBody(bytes.subarray(lengthFieldBytes))).toEqual(packet);
    },
  );

  test('wraps its seq at 2^32 by itself', () => {
    const bytes = written({ seq: 2 ** 32, mediaTime: 0, captureTimeUs: 0, flags: 0, payload });
    expect(bytes.slice(12, 22)).toBe('ce00000000');
  });

  test.each([
    ['fixint', '05', 5],
    ['uint 8', 'cc05', 5],
    ['uint 8', 'cc80', 128],
    ['uint 16', 'cdbb80', 48_000],
    ['uint 32', 'ceffffffff', 0xffff_ffff],
    ['uint 64', 'cf000000012a05f200', 5_000_000_000],
  ])('is read with times as %s (%s), as other encoders write them', (_, page, value) => {
    const packet = readBody(wireBytes(`96 03 07 ${page} ${page} 00 c401 fc`));
    expect(packet).toMatchObject({ seq: 7, mediaTime: value, captureTimeUs: value });
  });

  test.each([
    ...['07', 'cc07', 'cd0007', 'ce00000007', 'cf0000000000000007'],
    ...['d007', 'd10007', 'd200000007', 'd30000000000000007'],
  ])('is read with a seq of any width (%s)', (page) => {
    expect(readBody(wireBytes(`96 03 ${page} 00 c0 cc01 c401 fc`))).toMatchObject({
      seq: 7,
      flags: 1,
      captureTimeUs: undefined,
    });
  });

  test.each(['c403', 'c50003', 'c600000003'])('is read with a payload of any width (%s)', (bin) => {
    expect(readBody(wireBytes(`96 03 07 00 c0 00 ${bin} fc0102`)).payload).toEqual(payload);
  });

  test.each(['96 cc03', '96 cd0003', '96 d003', 'dc0006 03', 'dd00000006 03', 'dc0006 cc03'])(
    'is one with an array and a kind of any width (%s)',
    (page) => {
      expect(readBody(wireBytes(`${page} 07 00 c0 00 c401 fc`))).toMatchObject({ seq: 7 });
    },
  );

  test('is read in place, in the middle of a larger buffer', () => {
    const bytes = wireBytes('ffffff 96 03 07 00 c0 00 c402 fc01 ffff');
    const packet = new AudioPacketReader().read(bytes, 3, bytes.length - 2);
    expect(packet.payload.buffer).toBe(bytes.buffer);
    expect([...packet.payload]).toEqual([0xfc, 1]);
  });

  test.each([
    ['a request', '94 00 01 a1 "m" c0'],
    ['an array of six of another kind', '96 02 00 00 00 00'],
    ['an array of five', '95 03 07 00 c0 00 c401 fc'],
    ['a kind that is text', '96 a103 00 00 00 00'],
    ['a kind that ends too soon', '96 cd00'],
    ['one byte', '96'],
    ['nothing', ''],
  ])('is not %s', (_, page) => {
    const bytes = wireBytes(page);
    expect(isAudioPacket(bytes, 0, bytes.length)).toBe(false);
  });
});

describe('a broken audio packet', () => {
  test.each([
    ['seq', 'a negative seq', '96 03 ff 00 c0 00 c401 fc'],
    ['seq', 'a seq over 32 bits', '96 03 cf0000000100000000 00 c0 00 c401 fc'],
    ['seq', 'a negative seq of 8 bits', '96 03 d0 87 00 c0 00 c401 fc'],
    ['mediaTime', 'a negative time', '96 03 07 d3ffffffffffffffff c0 00 c401 fc'],
    ['mediaTime', 'a mediaTime that is a float', '96 03 07 cb4008000000000000 c0 00 c401 fc'],
    ['mediaTime', 'a mediaTime that is nil', '96 03 07 c0 c0 00 c401 fc'],
    ['mediaTime', 'a mediaTime that is not exact', '96 03 07 cf0020000000000000 c0 00 c401 fc'],
    ['captureTimeUs', 'a capture time that is text', '96 03 07 00 a1 "x" 00 c401 fc'],
    ['flags', 'flags of more than 8 bits', '96 03 07 00 c0 cd0100 c401 fc'],
    ['payload', 'a payload that is text', '96 03 07 00 c0 00 a1 fc'],
    ['payload', 'an empty payload', '96 03 07 00 c0 00 c400'],
    ['payload', 'a payload over its limit', `96 03 07 00 c0 00 c51001 ${'00'.repeat(4_097)}`],
    ['payload', 'a payload longer than the message', '96 03 07 00 c0 00 c402 fc'],
    ['payload', 'bytes behind the payload', '96 03 07 00 c0 00 c401 fc fc'],
  ])('is refused with %s named: %s', (field, _, page) => {
    const body = wireBytes(page);
    expect(() => new AudioPacketReader().read(body, 0, body.length)).toThrow(
      expect.objectContaining({ code: 'MALFORMED_MESSAGE', data: { field } }),
    );
  });

  test('is refused wherever it is cut off', () => {
    // Behind the end lies what would complete it: the reader must not look there.
    const body = wireBytes('96 03 ce00000007 cf00000000000003c0 cd4e20 cc00 c50003 fc0102');
    for (let end = 2; end < body.length; end++) {
      expect(() => new AudioPacketReader().read(body, 0, end)).toThrow(
        expect.objectContaining({ code: 'MALFORMED_MESSAGE' }),
      );
    }
    expect(new AudioPacketReader().read(body, 0, body.length).captureTimeUs).toBe(20_000);
  });

  test.each([
    ['an empty payload', () => writePacketHeader(Buffer.alloc(40), 0, 0, 0, 0, 0)],
    ['a payload too long', () => writePacketHeader(Buffer.alloc(40), 4_097, 0, 0, 0, 0)],
    ['a time below zero', () => writePacketHeader(Buffer.alloc(40), 1, 0, -1, 0, 0)],
    ['a time with a fraction', () => writePacketHeader(Buffer.alloc(40), 1, 0, 0.5, 0, 0)],
  ])('is never written: %s is our own mistake', (_, write) => {
    expect(write).toThrow(expect.objectContaining({ name: 'AssertionError' }));
  });
});
