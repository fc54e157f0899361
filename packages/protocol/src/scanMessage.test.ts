import { Random } from '../../../test/helpers/random.js';
import { wireBytes } from '../../../test/helpers/wireBytes.js';
import { ProtocolError } from './errors.js';
import { limits } from './limits.js';
import { decodeMessage, encodeMessage } from './messageCodec.js';
import { scanMessage } from './scanMessage.js';

function scan(page: string): void {
  const bytes = wireBytes(page);
  scanMessage(bytes, 0, bytes.length);
}

const malformed = expect.objectContaining({ code: 'MALFORMED_MESSAGE' });

/** One value of each tag, as short as it can be and once with something in it. */
const values = [
  ...['00', '7f', 'e0', 'ff', 'c0', 'c2', 'c3'],
  ...['80', '81 a1 "k" 01', '90', '91 01', '92 01 02', 'a0', 'a2 "ab"'],
  ...['c400', 'c402 0102', 'c50000', 'c50002 0102', 'c600000000', 'c600000002 0102'],
  ...['ca00000000', 'cb0000000000000000'],
  ...['cc01', 'cd0102', 'ce01020304', 'cf0102030405060708'],
  ...['d001', 'd10102', 'd201020304', 'd30102030405060708'],
  ...['d900', 'd902 "ab"', 'da0000', 'da0002 "ab"', 'db00000000', 'db00000002 "ab"'],
  ...['dc0000', 'dc0002 01 02', 'dd00000000', 'dd00000002 01 02'],
  ...['de0000', 'de0001 a1 "k" 01', 'df00000000', 'df00000001 d901 "k" 01'],
];

/** Whether a value can begin with this tag: with as many empty strings behind it as it wants. */
function beginsValue(tag: number): boolean {
  const bytes = Buffer.alloc(100, 0xa0);
  bytes[0] = tag;
  return Array.from(bytes).some((_, at) => {
    try {
      scanMessage(bytes, 0, at + 1);
      return true;
    } catch {
      return false;
    }
  });
}

describe('scanMessage', () => {
  test.each(values)('takes the value %s', (page) => {
    expect(() => scan(page)).not.toThrow();
  });

  test.each(values)('refuses %s when it is cut off at any byte', (page) => {
    const bytes = wireBytes(page);
    for (let end = 0; end < bytes.length; end++) {
      expect(() => scanMessage(bytes, 0, end)).toThrow(malformed);
    }
  });

  test.each(values)('refuses a byte after %s', (page) => {
    expect(() => scan(`${page} 00`)).toThrow(malformed);
  });

  test.each([
    'c1',
    'c7 01 05 00',
    'c8 0001 05 00',
    'c9 00000001 05 00',
    'd4 05 00',
    'd5 05 0000',
    'd6 ff 00000000',
    'd7 ff 0000000000000000',
    `d8 05 ${'00'.repeat(16)}`,
  ])('refuses the extension or reserved tag of %s', (page) => {
    expect(() => scan(page)).toThrow(malformed);
    expect(() => scan(`91 ${page}`)).toThrow(malformed);
  });

  test('takes only tags that a table of MessagePack knows as plain', () => {
    const tags = Array.from({ length: 256 }, (_, tag) => tag);
    // Lengths of 0xa0 and more do not fit in the bytes that are there; extensions never do.
    const lengths = [0xc4, 0xc5, 0xc6, 0xd9, 0xda, 0xdb, 0xdc, 0xdd, 0xde, 0xdf];
    const extensions = [0xc1, 0xc7, 0xc8, 0xc9, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8];
    expect(tags.filter((tag) => !beginsValue(tag))).toEqual(
      [...lengths, ...extensions].sort((a, b) => a - b),
    );
  });

  test.each([
    '81 01 01',
    '81 c0 01',
    '81 c401 00 01',
    '81 90 01',
    'de0001 c3 01',
    '82 a0 01 01 01',
  ])('refuses a key that is no string: %s', (page) => {
    expect(() => scan(page)).toThrow(malformed);
  });

  test.each(['a1 "k"', 'd901 "k"', 'da0001 "k"', 'db00000001 "k"'])(
    'takes a key that is a string of any width: %s',
    (key) => {
      expect(() => scan(`81 ${key} 01`)).not.toThrow();
    },
  );

  test.each([
    ['arrays', '91', '90'],
    ['maps', '81 a0', '80'],
    ['wide arrays', 'dc0001', 'dc0000'],
    ['wide maps', 'df00000001 a0', 'de0000'],
  ])('takes %s nested 8 deep and refuses 9', (_, around, innermost) => {
    const nested = (depth: number) => `${`${around} `.repeat(depth - 1)}${innermost}`;
    expect(() => scan(nested(limits.nestingMax))).not.toThrow();
    expect(() => scan(nested(limits.nestingMax + 1))).toThrow(/nested deeper than 8/);
  });

  test('does not count neighbours as depth', () => {
    expect(() => scan(`9f ${'9100 '.repeat(15)}`)).not.toThrow();
  });

  test.each([
    'dc ffff',
    'dd ffffffff',
    'de ffff',
    'df ffffffff',
    'dd 7fffffff 00',
    '92 01',
    '81 a0',
  ])('refuses a container with more in it than the message holds: %s', (page) => {
    expect(() => scan(page)).toThrow(malformed);
  });

  test('refuses a huge count before it walks, also inside other containers', () => {
    const bytes = Buffer.concat([wireBytes('91 dd 7fffffff'), Buffer.alloc(60_000, 0xc0)]);
    const from = process.hrtime.bigint();
    expect(() => scanMessage(bytes, 0, bytes.length)).toThrow(/longer than the message/);
    expect(process.hrtime.bigint() - from).toBeLessThan(1_000_000_000n);
  });

  test('does not look past the end that it was given', () => {
    const bytes = wireBytes('a2 "ab"');
    expect(() => scanMessage(bytes, 0, 2)).toThrow(malformed);
  });
});

describe('a hostile peer', () => {
  const samples = [
    { kind: 'request', id: 1, method: 'quality.set', params: { direction: 'input', level: 'low' } },
    { kind: 'response', id: 5_000_000, error: null, result: [1, -1, 2.5, 'x', 2 ** 40, [], {}] },
    { kind: 'notification', method: 'n', params: { a: { b: { c: [Buffer.from([1, 2, 3])] } } } },
  ] as const;

  function mutate(random: Random, bytes: Buffer): Buffer {
    const mutant = Buffer.from(bytes);
    const changes = random.integer(1, 4);
    for (let i = 0; i < changes; i++) {
      mutant[random.integer(0, mutant.length - 1)] = random.integer(0, 255);
    }
    return random.chance(0.3) ? mutant.subarray(0, random.integer(0, mutant.length)) : mutant;
  }

  test('gets a value or a ProtocolError for each of 20,000 messages, and nothing else', () => {
    const random = new Random(20_250_101);
    const bodies = samples.map((message) => {
      const { buffer, length } = encodeMessage(message as Parameters<typeof encodeMessage>[0]);
      return Buffer.from(buffer.bytes.subarray(4, length));
    });
    let taken = 0;
    let refused = 0;
    for (let i = 0; i < 20_000; i++) {
      const body = random.chance(0.3)
        ? random.bytes(random.integer(0, 40))
        : mutate(random, bodies[i % bodies.length] ?? Buffer.alloc(0));
      try {
        decodeMessage(body, 0, body.length);
        taken += 1;
      } catch (error) {
        if (!(error instanceof ProtocolError))
          throw new Error(body.toString('hex'), { cause: error });
        refused += 1;
      }
    }
    expect(taken).toBeGreaterThan(1_000);
    expect(refused).toBeGreaterThan(1_000);
  });
});
