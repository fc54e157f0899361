import { packetFlags, ReceivedPacket } from '@kvm-audio/protocol';
import { copyPacket, PacketQueue } from './PacketQueue.js';

const memory = Buffer.alloc(2);

/** A packet of 20 ms in memory that is used again for the next. */
function packet(seq: number): ReceivedPacket {
  const received = new ReceivedPacket();
  received.seq = seq;
  memory[0] = 0xf8;
  memory[1] = seq;
  received.bytes = memory;
  received.payloadEnd = 2;
  return received;
}

const queueOf = (queueMs?: number): PacketQueue => new PacketQueue(queueMs, () => undefined);

describe('a queue of packets', () => {
  test('gives copies, in order', async () => {
    const queue = queueOf();
    for (let seq = 0; seq < 3; seq++) queue.push(packet(seq));
    expect(queue.queuedMs).toBe(60);
    for (let seq = 0; seq < 3; seq++) {
      const { value } = await queue.next();
      expect(value).toEqual({
        seq,
        mediaTime: 0,
        captureTimeUs: undefined,
        flags: 0,
        payload: Uint8Array.of(0xf8, seq),
      });
    }
    expect(queue.queuedMs).toBe(0);
  });

  test('gives what comes to those who wait, in their order', async () => {
    const queue = queueOf();
    const taken = [queue.next(), queue.next()];
    queue.push(packet(1));
    queue.push(packet(2));
    expect((await Promise.all(taken)).map(({ value }) => value?.seq)).toEqual([1, 2]);
    expect(queue.queuedMs).toBe(0);
  });

  test('drops the oldest beyond its bound, counts them, and flags what is behind them', async () => {
    const queue = queueOf(60);
    const dropped = Array.from({ length: 5 }, (_, seq) => queue.push(packet(seq)));
    expect(dropped).toEqual([0, 0, 0, 1, 1]);
    expect(queue.dropped).toBe(2);
    const taken = [await queue.next(), await queue.next(), await queue.next()];
    expect(taken.map(({ value }) => [value?.seq, value?.flags])).toEqual([
      [2, packetFlags.discontinuity],
      [3, 0],
      [4, 0],
    ]);
  });

  test('keeps the newest packet, however long it is', async () => {
    const queue = queueOf(1);
    queue.push(packet(1));
    queue.push(packet(2));
    expect((await queue.next()).value?.seq).toBe(2);
  });

  test.each([0, -1, Number.NaN])('has no bound of %d ms', (queueMs) => {
    expect(() => queueOf(queueMs)).toThrow(RangeError);
  });

  test('ends once, for those who wait and those who come', async () => {
    let ends = 0;
    const queue = new PacketQueue(200, () => {
      ends += 1;
    });
    const waiting = queue.next();
    queue.end();
    queue.end();
    expect(queue.push(packet(1))).toBe(0);
    const done = { done: true, value: undefined };
    expect([await waiting, await queue.next(), await queue.return()]).toEqual([done, done, done]);
    expect(ends).toBe(1);
  });

  test('is left with what waited', async () => {
    const queue = queueOf();
    queue.push(packet(1));
    queue.push(packet(2));
    for await (const _ of queue) break;
    expect(queue.queuedMs).toBe(0);
    expect((await queue.next()).done).toBe(true);
  });
});

test('a copy of a packet has memory of its own', () => {
  const copy = copyPacket(packet(7));
  memory.fill(0);
  expect([...copy.payload]).toEqual([0xf8, 7]);
});
