import { wireBytes } from '../../../test/helpers/wireBytes.js';
import { ProtocolError } from './errors.js';
import { type Welcome, welcome } from './hello.js';
import { lengthFieldBytes, limits } from './limits.js';
import { decodeMessage, encodeMessage, type Message } from './messageCodec.js';

function encoded(message: Message): string {
  const { buffer, length } = encodeMessage(message);
  return buffer.bytes.subarray(0, length).toString('hex');
}

function decodedBody(page: string): Message {
  const body = wireBytes(page);
  return decodeMessage(body, 0, body.length);
}

/** The one parameter of a notification, on the wire. */
function encodedValue(value: unknown): string {
  const start = lengthFieldBytes + wireBytes('93 02 a1 "n"').length;
  return encoded({ kind: 'notification', method: 'n', params: value }).slice(2 * start);
}

function decodedValue(page: string): unknown {
  const message = decodedBody(`93 02 a1 "n" ${page}`);
  return message.kind === 'notification' && message.params;
}

const stream = {
  codec: 'opus',
  level: 'medium',
  rate: 48_000,
  channels: 2,
  frameMs: 20,
  bitrate: 96_000,
  application: 'audio',
  maxPacketBytes: 4_096,
  lookaheadSamples: 312,
  clock: 'monotonic',
} as const;
const reply: Welcome = welcome({ name: 'kvm-audio input', version: '0.1.0' }, stream);
reply.server.pid = 4_242;

const roleRefused = new ProtocolError('ROLE_REFUSED', 'no', { roles: ['sink'] }).toWire();

describe('the bytes of a message', () => {
  const golden: [string, string, Message][] = [
    [
      'a request',
      '0000000f 94 00 01 aa "status.get" 80',
      { kind: 'request', id: 1, method: 'status.get', params: {} },
    ],
    [
      'a request with the largest id and no parameters',
      '00000012 94 00 d300000000ffffffff a5 "a.get" c0',
      { kind: 'request', id: 0xffff_ffff, method: 'a.get', params: null },
    ],
    [
      'a response',
      '0000000b 94 01 07 c0 82 a1 "a" 01 a1 "b" c3',
      { kind: 'response', id: 7, error: null, result: { a: 1, b: true } },
    ],
    [
      'a response with an error',
      `00000040 94 01 cc80
         84 a4 "code" ac "ROLE_REFUSED" a7 "message" a2 "no" a9 "retryable" c2
            a4 "data" 81 a5 "roles" 91 a4 "sink"
         c0`,
      { kind: 'response', id: 128, error: roleRefused, result: null },
    ],
    [
      'a notification',
      '00000009 93 02 a5 "ready" 80',
      { kind: 'notification', method: 'ready', params: {} },
    ],
    [
      'hello',
      `00000029 94 00 01 a5 "hello"
         83 a8 "protocol" 01 a4 "role" a4 "sink" a6 "client" a3 "kvm"`,
      {
        kind: 'request',
        id: 1,
        method: 'hello',
        params: { protocol: 1, role: 'sink', client: 'kvm' },
      },
    ],
    [
      'the reply to hello',
      `00000115 94 01 01 c0
         84 a8 "protocol" 01
            a6 "server" 83 a4 "name" af "kvm-audio input" a7 "version" a5 "0.1.0" a3 "pid" cd1092
            a6 "stream" 8a a5 "codec" a4 "opus" a5 "level" a6 "medium" a4 "rate" cdbb80
               a8 "channels" 02 a7 "frameMs" 14 a7 "bitrate" ce00017700
               ab "application" a5 "audio" ae "maxPacketBytes" cd1000
               b0 "lookaheadSamples" cd0138 a5 "clock" a9 "monotonic"
            a6 "limits" 83 af "messageBytesMax" ce00010000
               b5 "packetPayloadBytesMax" cd1000 ab "sendQueueMs" ccc8`,
      { kind: 'response', id: 1, error: null, result: reply },
    ],
  ];

  test.each(golden)('%s is written and read as on the page', (_, page, message) => {
    const bytes = wireBytes(page);
    expect(encoded(message)).toBe(bytes.toString('hex'));
    expect(bytes.readUInt32BE(0)).toBe(bytes.length - lengthFieldBytes);
    expect(decodeMessage(bytes, lengthFieldBytes, bytes.length)).toEqual(message);
  });

  test('are read in the middle of a larger buffer', () => {
    const bytes = wireBytes('ffff 93 02 a1 "n" 05 ffff');
    expect(decodeMessage(bytes, 2, bytes.length - 2)).toEqual({
      kind: 'notification',
      method: 'n',
      params: 5,
    });
  });

  test('are written into the memory that is offered', () => {
    const bytes = Buffer.alloc(32, 0xee);
    const release = jest.fn();
    const asked: number[] = [];
    const { buffer, length } = encodeMessage(
      { kind: 'notification', method: 'ready', params: {} },
      {
        acquire(count) {
          asked.push(count);
          return { bytes, release };
        },
      },
    );
    expect(asked).toEqual([13]);
    expect(length).toBe(13);
    expect(buffer.bytes).toBe(bytes);
    expect(bytes.toString('hex')).toBe(
      Buffer.concat([wireBytes('00000009 93 02 a5 "ready" 80'), Buffer.alloc(19, 0xee)]).toString(
        'hex',
      ),
    );
    expect(release).not.toHaveBeenCalled();
  });
});

describe('a value on the wire', () => {
  test.each([
    ['00', 0],
    ['7f', 127],
    ['cc80', 128],
    ['cd0100', 256],
    ['ce00010000', 65_536],
    ['ce7fffffff', 0x7fff_ffff],
    ['d30000000080000000', 0x8000_0000],
    ['d300000000ffffffff', 0xffff_ffff],
    ['d30000000100000000', 2 ** 32],
    ['d3000000012a05f200', 5_000_000_000],
    ['d3001fffffffffffff', Number.MAX_SAFE_INTEGER],
    ['ff', -1],
    ['e0', -32],
    ['d0df', -33],
    ['d1ff7f', -129],
    ['d2ffff7fff', -32_769],
    ['d2 80000001', -0x7fff_ffff],
    ['d3fffffffed5fa0e00', -5_000_000_000],
    ['d3ffe0000000000001', Number.MIN_SAFE_INTEGER],
    ['cb4004000000000000', 2.5],
    ['c0', null],
    ['c2', false],
    ['c3', true],
    ['a2 c3a4', 'ä'],
    ['93 01 02 a1 "x"', [1, 2, 'x']],
  ])('%s is %j, in both directions', (page, value) => {
    expect(encodedValue(value)).toBe(wireBytes(page).toString('hex'));
    expect(decodedValue(page)).toEqual(value);
  });

  test('is never a float where it is an integer, however deep it lies', () => {
    expect(encodedValue({ a: [{ t: 2 ** 40 }] })).toBe(
      wireBytes('81 a1 "a" 91 81 a1 "t" d30000010000000000').toString('hex'),
    );
  });

  test.each([
    ['cc05', 5],
    ['cd0005', 5],
    ['ce00000005', 5],
    ['cf0000000000000005', 5],
    ['cf000000012a05f200', 5_000_000_000],
    ['d0 05', 5],
    ['d3fffffffffffffffe', -2],
    ['ca40200000', 2.5],
    ['d902 "ab"', 'ab'],
    ['da0002 "ab"', 'ab'],
    ['db00000002 "ab"', 'ab'],
    ['dc0001 07', [7]],
    ['dd00000001 07', [7]],
    ['de0001 a1 "k" 07', { k: 7 }],
    ['df00000001 a1 "k" 07', { k: 7 }],
  ])('is read in any width that another encoder may choose: %s', (page, value) => {
    expect(decodedValue(page)).toEqual(value);
  });

  test('bin is bytes in both directions', () => {
    expect(encodedValue(new Uint8Array([1, 2]))).toBe('c4020102');
    expect(Buffer.from(decodedValue('c4 02 0102') as Uint8Array)).toEqual(Buffer.from([1, 2]));
  });

  test('a field that is undefined is not sent, an element that is undefined is nil', () => {
    expect(encodedValue({ a: undefined, b: 1 })).toBe('81a16201');
    expect(encodedValue([undefined, 1])).toBe('92c001');
  });

  test('may have fields with names that mean something to JavaScript', () => {
    expect(encodedValue({ constructor: 1, toJSON: 2 })).toBe(
      wireBytes('82 ab "constructor" 01 a6 "toJSON" 02').toString('hex'),
    );
  });
});

describe('a message that is none', () => {
  test.each([
    ['a map', '81 a1 "a" 01'],
    ['an integer', '05'],
    ['an empty array', '90'],
    ['an unknown kind', '93 04 a1 "n" c0'],
    ['a kind of the wrong type', '93 a1 "2" a1 "n" c0'],
    ['a kind that cannot be shown as text', '93 81 a8 "toString" 01 a1 "n" c0'],
    ['a request of three', '93 00 01 a1 "m"'],
    ['a request of five', '95 00 01 a1 "m" c0 c0'],
    ['a response of three', '93 01 01 c0'],
    ['a notification of four', '94 02 a1 "n" c0 c0'],
    ['an id below zero', '94 00 ff a1 "m" c0'],
    ['an id over 32 bits', '94 00 cf0000000100000000 a1 "m" c0'],
    ['an id with a fraction', '94 00 cb3ff8000000000000 a1 "m" c0'],
    ['an id that is text', '94 01 a1 "1" c0 c0'],
    ['bytes that are left over', '93 02 a1 "n" c0 c0'],
    ['nothing', ''],
  ])('%s is refused', (_, page) => {
    expect(() => decodedBody(page)).toThrow(
      expect.objectContaining({ name: 'ProtocolError', code: 'MALFORMED_MESSAGE' }),
    );
  });

  test.each([
    ['no text', '94 00 01 05 c0'],
    ['longer than its limit', `93 02 d941 "${'n'.repeat(65)}" c0`],
  ])('a method whose name is %s is refused', (_, page) => {
    expect(() => decodedBody(page)).toThrow(ProtocolError);
  });

  test('a name of exactly the limit is taken', () => {
    const name = 'n'.repeat(limits.nameBytesMax);
    expect(decodedBody(`93 02 d940 "${name}" c0`)).toMatchObject({ method: name });
  });

  test('the error of a response may be anything, and is one that we know', () => {
    expect(decodedBody('94 01 01 a1 "x" c0')).toMatchObject({ error: { code: 'INTERNAL' } });
    expect(decodedBody('94 01 01 81 a4 "code" 81 a8 "toString" 01 c0')).toMatchObject({
      error: { code: 'INTERNAL', message: 'unknown error' },
    });
    expect(decodedBody('94 01 01 81 a4 "code" a3 "NEW" c0')).toMatchObject({
      error: { code: 'INTERNAL', retryable: false },
    });
  });

  test('one that we would send over the limit is our own mistake', () => {
    const params = 'x'.repeat(limits.messageBytesMax);
    expect(() => encodeMessage({ kind: 'notification', method: 'n', params })).toThrow(
      /message of 655\d\d bytes/,
    );
  });
});
