import fc from 'fast-check';
import { wireBytes } from '../../../test/helpers/wireBytes.js';
import {
  type AudioPacket,
  AudioPacketReader,
  isAudioPacket,
  packetHeaderBytesMax,
  writePacketHeader,
} from './audioPacket.js';
import { errorCodes, ProtocolError } from './errors.js';
import { lengthFieldBytes, limits } from './limits.js';
import { decodeMessage, encodeMessage, type Message } from './messageCodec.js';
import { ReceiveBuffer } from './ReceiveBuffer.js';

const idMax = 0xffff_ffff;

/** Names that mean something to JavaScript or to us more often than chance would have it. */
const anyKey = fc.oneof(
  fc.constantFrom(
    'toString',
    'valueOf',
    'constructor',
    'toJSON',
    'then',
    'code',
    'message',
    'data',
  ),
  fc.string({ maxLength: 12 }).filter((key) => key !== '__proto__'),
);

/** What a parameter may be: what every language has, without floats that are integers. */
const { value: plainValue } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: limits.nestingMax - 2, withCrossShrink: true },
    fc.oneof(
      fc.constant(null),
      fc.boolean(),
      fc.maxSafeInteger(),
      fc.integer({ min: -300, max: 70_000 }),
      fc.double({ noDefaultInfinity: true, noNaN: true }).map((x) => x + 0),
      fc.string({ unit: 'grapheme', maxLength: 40 }),
    ),
    fc.array(tie('value'), { maxLength: 6 }),
    fc.dictionary(anyKey, tie('value'), { maxKeys: 6, noNullPrototype: true }),
  ),
}));
const anyName = fc
  .string({ unit: 'grapheme', maxLength: limits.nameBytesMax })
  .filter((name) => Buffer.byteLength(name) <= limits.nameBytesMax);
const id = fc.integer({ min: 0, max: idMax });
const wireError = fc
  .tuple(fc.constantFrom(...errorCodes), fc.string({ maxLength: 60 }))
  .map(([code, text]) => new ProtocolError(code, text, { asked: 1 }).toWire());

const anyMessage: fc.Arbitrary<Message> = fc.oneof(
  fc.record({ kind: fc.constant('request' as const), id, method: anyName, params: plainValue }),
  fc.record({
    kind: fc.constant('response' as const),
    id,
    error: fc.option(wireError),
    result: plainValue,
  }),
  fc.record({ kind: fc.constant('notification' as const), method: anyName, params: plainValue }),
);

const anyPacket: fc.Arbitrary<AudioPacket> = fc.record({
  seq: fc.integer({ min: 0, max: idMax }),
  mediaTime: fc.maxSafeNat(),
  captureTimeUs: fc.option(fc.maxSafeNat(), { nil: undefined }),
  flags: fc.integer({ min: 0, max: 0x7f }),
  payload: fc.uint8Array({ minLength: 1, maxLength: limits.packetPayloadBytesMax }),
});

function bytesOf(message: Message): Buffer {
  const { buffer, length } = encodeMessage(message);
  return buffer.bytes.subarray(0, length);
}

function packetBytes({ seq, mediaTime, captureTimeUs, flags, payload }: AudioPacket): Buffer {
  const slot = Buffer.alloc(packetHeaderBytesMax + payload.length);
  slot.set(payload, packetHeaderBytesMax);
  const start = writePacketHeader(slot, payload.length, seq, mediaTime, captureTimeUs, flags);
  return slot.subarray(start);
}

function plainPacket(packet: AudioPacket): AudioPacket {
  const { seq, mediaTime, captureTimeUs, flags, payload } = packet;
  return { seq, mediaTime, captureTimeUs, flags, payload: Uint8Array.from(payload) };
}

const packets = new AudioPacketReader();

/** What a connection does with a body. */
function readBody(bytes: Buffer, start: number, end: number): Message | AudioPacket {
  if (isAudioPacket(bytes, start, end)) return plainPacket(packets.read(bytes, start, end));
  return decodeMessage(bytes, start, end);
}

/** All messages of a stream that arrives in pieces of these lengths, and the error that ends it. */
function receive(stream: Buffer, pieces: readonly number[]): { bodies: string[]; code?: string } {
  const buffer = new ReceiveBuffer();
  const bodies: string[] = [];
  let at = 0;
  try {
    for (let i = 0; at < stream.length; i++) {
      const count = pieces[i % pieces.length] ?? stream.length;
      buffer.feed(stream.subarray(at, at + count), (bytes, start, end) => {
        bodies.push(bytes.toString('hex', start, end));
        readBody(bytes, start, end);
      });
      at += count;
    }
    return { bodies };
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return { bodies, code: error.code };
  }
}

/** Reads what may be anything. @returns the code of the refusal, undefined where it was taken. */
function refusal(body: Buffer): string | undefined {
  try {
    readBody(body, 0, body.length);
    return undefined;
  } catch (error) {
    if (error instanceof ProtocolError) return error.code;
    throw error;
  }
}

const codes = [undefined, 'MALFORMED_MESSAGE'];
const anyBytes = fc.oneof(anyMessage.map(bytesOf), anyPacket.map(packetBytes));
const pieces = fc.array(fc.integer({ min: 1, max: 900 }), { minLength: 1, maxLength: 20 });

describe('over whatever is generated', () => {
  test('decoding what was encoded gives the same message', () => {
    fc.assert(
      fc.property(anyMessage, (message) => {
        const bytes = bytesOf(message);
        expect(bytes.readUInt32BE(0)).toBe(bytes.length - lengthFieldBytes);
        expect(decodeMessage(bytes, lengthFieldBytes, bytes.length)).toEqual(message);
      }),
      { numRuns: 1_000 },
    );
  });

  test('reading a packet that was written gives the same packet', () => {
    fc.assert(
      fc.property(anyPacket, (packet) => {
        const bytes = packetBytes(packet);
        expect(readBody(bytes, lengthFieldBytes, bytes.length)).toEqual(packet);
      }),
      { numRuns: 1_000 },
    );
  });

  test('a stream is cut into the same messages wherever it is split', () => {
    fc.assert(
      fc.property(fc.array(anyBytes, { maxLength: 30 }), pieces, (messages, lengths) => {
        const whole = Buffer.concat(messages);
        const bodies = messages.map((bytes) => bytes.toString('hex', lengthFieldBytes));
        expect(receive(whole, lengths)).toEqual({ bodies });
      }),
      { numRuns: 300 },
    );
  });

  test('a stream that goes wrong goes wrong at the same place wherever it is split', () => {
    const junk = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));
    const stream = fc.tuple(fc.array(anyBytes, { maxLength: 5 }), junk, anyBytes);
    fc.assert(
      fc.property(stream, pieces, ([before, middle, after], lengths) => {
        const whole = Buffer.concat([...before, middle, after]);
        const { bodies, code } = receive(whole, [whole.length || 1]);
        expect(receive(whole, lengths)).toEqual({ bodies, ...(code && { code }) });
      }),
      { numRuns: 500 },
    );
  });

  test('a message that is cut off is refused with a typed error', () => {
    fc.assert(
      fc.property(anyBytes, fc.double({ min: 0, max: 1, noNaN: true }), (bytes, part) => {
        const body = bytes.subarray(lengthFieldBytes);
        const cut = body.subarray(0, Math.floor(part * (body.length - 1)));
        expect(refusal(cut)).toBe('MALFORMED_MESSAGE');
      }),
      { numRuns: 1_000 },
    );
  });

  test('a message with bytes behind it is refused with a typed error', () => {
    fc.assert(
      fc.property(anyBytes, fc.uint8Array({ minLength: 1, maxLength: 9 }), (bytes, more) => {
        const body = Buffer.concat([bytes.subarray(lengthFieldBytes), more]);
        expect(refusal(body)).toBe('MALFORMED_MESSAGE');
      }),
    );
  });

  test('a message with some other bytes is taken or refused, never anything else', () => {
    const change = fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }));
    const changes = fc.array(change, { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(anyBytes, changes, (bytes, places) => {
        const body = Buffer.from(bytes.subarray(lengthFieldBytes));
        for (const [at, byte] of places) body[at % body.length] = byte;
        expect(codes).toContain(refusal(body));
      }),
      { numRuns: 5_000 },
    );
  });

  test('bytes without a plan are taken or refused, never anything else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        expect(codes).toContain(refusal(Buffer.from(bytes)));
      }),
      { numRuns: 5_000 },
    );
  });

  test('a message of the right shape and wrong types is taken or refused', () => {
    const numbers = fc.integer({ min: 0, max: 4 });
    const fields = fc.array(fc.oneof(plainValue, numbers), { minLength: 2, maxLength: 5 });
    const messages = fc.tuple(fc.oneof(numbers, numbers, plainValue), fields);
    fc.assert(
      fc.property(messages, ([kind, rest]) => {
        const parts = [kind, ...rest].map((params) => {
          const bytes = bytesOf({ kind: 'notification', method: 'n', params });
          return bytes.subarray(lengthFieldBytes + wireBytes('93 02 a1 "n"').length);
        });
        const header = Buffer.from([0x90 + parts.length]);
        expect(codes).toContain(refusal(Buffer.concat([header, ...parts])));
      }),
      { numRuns: 3_000 },
    );
  });

  test('the error of a response may be anything', () => {
    const error = fc.oneof(
      plainValue,
      fc.dictionary(anyKey, plainValue, { noNullPrototype: true }),
    );
    fc.assert(
      fc.property(error, (result) => {
        const bytes = bytesOf({ kind: 'response', id: 1, error: null, result });
        const value = bytes.subarray(lengthFieldBytes + wireBytes('94 01 01 c0').length);
        const body = Buffer.concat([wireBytes('94 01 01'), value, wireBytes('c0')]);
        expect(refusal(body)).toBeUndefined();
      }),
      { numRuns: 3_000 },
    );
  });

  test('nesting is taken up to the limit and refused beyond, however deep', () => {
    const deep = fc.integer({ min: 1, max: limits.messageBytesMax - 3 });
    fc.assert(
      fc.property(deep, fc.boolean(), (depth, maps) => {
        const one = wireBytes(maps ? '81 a0' : '91');
        const count = maps ? Math.ceil(depth / one.length) : depth;
        const levels = Array<Buffer>(count).fill(one);
        const body = Buffer.concat([wireBytes('93 02 a1 "n"'), ...levels, wireBytes('c0')]);
        const taken = count + 1 <= limits.nestingMax;
        expect(refusal(body)).toBe(taken ? undefined : 'MALFORMED_MESSAGE');
      }),
    );
  });

  test('a length over the limit is refused before its body comes', () => {
    const length = fc.integer({ min: limits.messageBytesMax + 1, max: 0xffff_ffff });
    fc.assert(
      fc.property(length, (bytes) => {
        const field = Buffer.alloc(lengthFieldBytes);
        field.writeUInt32BE(bytes);
        expect(receive(field, [1])).toEqual({ bodies: [], code: 'MESSAGE_TOO_LARGE' });
      }),
    );
  });

  test('what a container or a string claims to hold is never allocated', () => {
    const claims = fc.constantFrom('dd', 'df', 'db', 'c6');
    const claimed = fc.integer({ min: 70_000, max: 0xffff_ffff });
    const before = process.memoryUsage();
    fc.assert(
      fc.property(claims, claimed, (tag, count) => {
        const field = Buffer.alloc(4);
        field.writeUInt32BE(count);
        const body = Buffer.concat([wireBytes(`93 02 a1 "n" ${tag}`), field]);
        expect(refusal(body)).toBe('MALFORMED_MESSAGE');
      }),
      { numRuns: 2_000 },
    );
    const grown = process.memoryUsage().arrayBuffers - before.arrayBuffers;
    expect(grown).toBeLessThan(1_000_000);
  });
});
