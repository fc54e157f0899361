import { Random } from '../../../test/helpers/random.js';
import { wireBytes } from '../../../test/helpers/wireBytes.js';
import { lengthFieldBytes, limits } from './limits.js';
import { ReceiveBuffer } from './ReceiveBuffer.js';

function framed(body: Buffer): Buffer {
  const message = Buffer.alloc(lengthFieldBytes + body.length);
  message.writeUInt32BE(body.length, 0);
  body.copy(message, lengthFieldBytes);
  return message;
}

/** Collects copies of what is delivered. */
function collector(): {
  bodies: string[];
  take(bytes: Buffer, start: number, end: number): void;
} {
  const bodies: string[] = [];
  return {
    bodies,
    take: (bytes, start, end) => bodies.push(bytes.toString('hex', start, end)),
  };
}

/** As a socket does it: into `writable()`, never more than there is room for. */
function receive(
  buffer: ReceiveBuffer,
  bytes: Buffer,
  take: (bytes: Buffer, start: number, end: number) => void,
): void {
  let at = 0;
  while (at < bytes.length) {
    const room = buffer.writable();
    const count = Math.min(room.length, bytes.length - at);
    expect(count).toBeGreaterThan(0);
    bytes.copy(room, 0, at, at + count);
    at += count;
    buffer.received(count, take);
  }
}

const small = [
  wireBytes('93 02 a1 "n" c0'),
  Buffer.alloc(0),
  wireBytes('01'),
  wireBytes('a2 "ab"'),
];

describe('ReceiveBuffer', () => {
  test('delivers the same messages wherever a small stream is split in two or three', () => {
    const stream = Buffer.concat(small.map(framed));
    const wanted = small.map((body) => body.toString('hex'));
    for (let first = 0; first <= stream.length; first++) {
      for (let second = first; second <= stream.length; second++) {
        const buffer = new ReceiveBuffer();
        const { bodies, take } = collector();
        const cuts = [
          stream.subarray(0, first),
          stream.subarray(first, second),
          stream.subarray(second),
        ];
        for (const piece of cuts) receive(buffer, piece, take);
        expect(bodies).toEqual(wanted);
      }
    }
  });

  test('delivers the same messages byte by byte', () => {
    const buffer = new ReceiveBuffer();
    const { bodies, take } = collector();
    for (const byte of Buffer.concat(small.map(framed))) buffer.feed(Uint8Array.of(byte), take);
    expect(bodies).toEqual(small.map((body) => body.toString('hex')));
  });

  test.each(['received', 'feed'] as const)(
    'delivers a long stream in order however it is split (%s)',
    (way) => {
      const random = new Random(7);
      const sizes = Array.from({ length: 300 }, () =>
        random.chance(0.1)
          ? random.integer(60_000, limits.messageBytesMax)
          : random.integer(0, 3_000),
      );
      const stream = Buffer.concat(sizes.map((size, i) => framed(Buffer.alloc(size, i))));
      const buffer = new ReceiveBuffer();
      let next = 0;
      const take = (bytes: Buffer, start: number, end: number): void => {
        expect(end - start).toBe(sizes[next]);
        expect(bytes.subarray(start, end).equals(Buffer.alloc(end - start, next))).toBe(true);
        next += 1;
      };
      for (let at = 0; at < stream.length; ) {
        const count = random.chance(0.2) ? random.integer(1, 6) : random.integer(1, 200_000);
        const piece = stream.subarray(at, at + count);
        if (way === 'feed') buffer.feed(piece, take);
        else receive(buffer, piece, take);
        at += count;
      }
      expect(next).toBe(sizes.length);
    },
  );

  test('always has room for the rest of the largest message', () => {
    const largest = framed(Buffer.alloc(limits.messageBytesMax, 1));
    // Behind a message of each length, so that the largest begins at every place about the middle.
    const buffer = new ReceiveBuffer();
    let delivered = 0;
    const take = (): void => {
      delivered += 1;
    };
    for (let first = limits.messageBytesMax - 20; first <= limits.messageBytesMax; first++) {
      const both = Buffer.concat([framed(Buffer.alloc(first, 2)), largest]);
      const cut = first + lengthFieldBytes + 1;
      receive(buffer, both.subarray(0, cut), take);
      const rest = both.length - cut;
      expect(buffer.writable().length).toBeGreaterThanOrEqual(rest);
      receive(buffer, both.subarray(cut), take);
    }
    expect(delivered).toBe(42);
  });

  test('refuses a length over the limit before the body arrives', () => {
    const buffer = new ReceiveBuffer();
    const { bodies, take } = collector();
    const field = wireBytes('00010001');
    buffer.feed(field.subarray(0, 3), take);
    expect(() => buffer.feed(field.subarray(3), take)).toThrow(
      expect.objectContaining({
        code: 'MESSAGE_TOO_LARGE',
        data: { bytes: 65_537, bytesMax: 65_536 },
      }),
    );
    expect(bodies).toEqual([]);
  });

  test.each(['00010001', '7fffffff', '80000000', 'ffffffff'])(
    'delivers what came before a length of %s',
    (field) => {
      const buffer = new ReceiveBuffer();
      const { bodies, take } = collector();
      const stream = Buffer.concat([framed(wireBytes('01')), wireBytes(field)]);
      expect(() => buffer.feed(stream, take)).toThrow(/65536 is the limit/);
      expect(bodies).toEqual(['01']);
    },
  );

  test('is empty again after whole messages: the next one begins at the front', () => {
    const buffer = new ReceiveBuffer();
    const starts: number[] = [];
    for (let i = 0; i < 3; i++) {
      buffer.feed(framed(Buffer.alloc(10)), (_, start) => starts.push(start));
    }
    expect(starts).toEqual([4, 4, 4]);
  });

  test('goes on with the next message after the receiver of one threw', () => {
    const buffer = new ReceiveBuffer();
    const { bodies, take } = collector();
    const two = Buffer.concat([framed(wireBytes('01')), framed(wireBytes('02'))]);
    expect(() =>
      buffer.feed(two, () => {
        throw new Error('of the receiver');
      }),
    ).toThrow('of the receiver');
    buffer.feed(framed(wireBytes('03')), take);
    expect(bodies).toEqual(['02', '03']);
  });
});
