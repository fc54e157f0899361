import {
  AudioPacketReader,
  encodeMessage,
  isAudioPacket,
  lengthFieldBytes,
  limits,
  packetFlags,
  packetHeaderBytesMax,
} from '@kvm-audio/protocol';
import { BufferPool } from './BufferPool.js';
import { FramePool, Slot } from './FramePool.js';
import { PacketSlot, packetSlotBytes } from './PacketSlot.js';

class TestSlot extends Slot {
  readonly bytes: Buffer;

  constructor(bytes: Buffer) {
    super();
    this.bytes = bytes;
  }
}

const assertion = expect.objectContaining({ name: 'AssertionError' });

function pool(holders: Record<string, number> = { one: 2, other: 1 }): FramePool<TestSlot> {
  return new FramePool('test slots', holders, 16, (bytes) => new TestSlot(bytes));
}

describe('a pool', () => {
  test('has as many slots as its holders may keep, and then answers nothing', () => {
    const slots = pool();
    expect(slots.stats()).toEqual({ slots: 3, inUse: 0, peak: 0, hits: 0, misses: 0 });
    const taken = [slots.acquire(), slots.acquire(), slots.acquire()];
    expect(new Set(taken).size).toBe(3);
    expect(slots.acquire()).toBeUndefined();
    expect(slots.acquire()).toBeUndefined();
    expect(slots.stats()).toEqual({ slots: 3, inUse: 3, peak: 3, hits: 3, misses: 2 });
  });

  test('gives each slot memory of its own, from one allocation', () => {
    const slots = pool();
    const taken = [slots.acquire(), slots.acquire(), slots.acquire()].map((slot) => slot?.bytes);
    for (const [i, bytes] of taken.entries()) bytes?.fill(i);
    for (const [i, bytes] of taken.entries()) expect([...(bytes ?? [])]).toEqual(Array(16).fill(i));
    expect(new Set(taken.map((bytes) => bytes?.buffer)).size).toBe(1);
  });

  test('gets a slot back with its last holder, and gives it out again', () => {
    const slots = pool({ one: 1 });
    const slot = slots.acquire();
    slot?.retain();
    slot?.release();
    expect(slots.acquire()).toBeUndefined();
    slot?.release();
    expect(slots.acquire()).toBe(slot);
  });

  test('remembers the most that were in use', () => {
    const slots = pool();
    const first = slots.acquire();
    slots.acquire()?.release();
    first?.release();
    slots.acquire()?.release();
    expect(slots.stats()).toMatchObject({ inUse: 0, peak: 2, hits: 3 });
  });

  test('asserts when a slot is released more often than it was held', () => {
    const slots = pool();
    const slot = slots.acquire();
    slot?.release();
    expect(() => slot?.release()).toThrow(assertion);
    expect(slots.stats().inUse).toBe(0);
  });

  test('asserts at the end that all came home, and says how many did not', () => {
    const slots = pool();
    const taken = [slots.acquire(), slots.acquire()];
    expect(() => slots.assertAllHome()).toThrow(/test slots: 2 slots were not given back/);
    for (const slot of taken) slot?.release();
    expect(() => slots.assertAllHome()).not.toThrow();
  });

  test('without holders is a mistake', () => {
    expect(() => pool({})).toThrow(assertion);
    expect(() => pool({ none: 0 })).toThrow(assertion);
  });
});

describe('a packet slot', () => {
  const slots = new FramePool('packets', { test: 2 }, packetSlotBytes, (b) => new PacketSlot(b));

  function sealed(fields: Partial<PacketSlot>, payload: readonly number[]): PacketSlot {
    const slot = slots.acquire() as PacketSlot;
    Object.assign(slot, { seq: 0, mediaTime: 0, captureTimeUs: undefined, flags: 0 }, fields);
    slot.room.set(payload);
    slot.setPayload(payload.length);
    slot.seal();
    return slot;
  }

  test.each([
    { seq: 1, mediaTime: 960, captureTimeUs: 5_000_000_000, flags: packetFlags.discontinuity },
    { seq: 0xffff_ffff, mediaTime: 2 ** 40, captureTimeUs: undefined, flags: packetFlags.dtx },
  ])('is sealed into what a reader of packets reads: %o', (fields) => {
    const slot = sealed(fields, [0xf8, 1, 2, 3]);
    const message = slot.bytes.subarray(slot.start, slot.end);
    expect(message.readUInt32BE(0)).toBe(message.length - lengthFieldBytes);
    expect(isAudioPacket(message, lengthFieldBytes, message.length)).toBe(true);
    const packet = new AudioPacketReader().read(message, lengthFieldBytes, message.length);
    expect(packet).toMatchObject(fields);
    expect([...packet.payload]).toEqual([0xf8, 1, 2, 3]);
    slot.release();
  });

  test('writes the message around the payload where it lies: nothing is copied', () => {
    const slot = sealed({ captureTimeUs: 1 }, [7, 8, 9]);
    expect(slot.bytes.subarray(packetHeaderBytesMax, slot.end)).toEqual(Buffer.from([7, 8, 9]));
    expect(slot.bytes.buffer).toBe(slot.room.buffer);
    expect(slot.payload.byteOffset).toBe(slot.room.byteOffset);
    slot.release();
  });

  test('can be sealed again for another packet', () => {
    const slot = sealed({ seq: 1, captureTimeUs: 1 }, Array(4_096).fill(1));
    slot.seq = 2;
    slot.captureTimeUs = undefined;
    slot.room.set([5]);
    slot.setPayload(1);
    slot.seal();
    const { bytes, start, end } = slot;
    const packet = new AudioPacketReader().read(bytes, start + lengthFieldBytes, end);
    expect(packet).toMatchObject({ seq: 2, captureTimeUs: undefined });
    expect([...packet.payload]).toEqual([5]);
    slot.release();
  });

  test('knows its length in milliseconds', () => {
    const slot = sealed({ frames: 120 }, [1]);
    expect(slot.durationMs).toBe(2.5);
    slot.release();
  });

  test.each([0, limits.packetPayloadBytesMax + 1])('refuses a payload of %i bytes', (bytes) => {
    const slot = slots.acquire() as PacketSlot;
    expect(() => slot.setPayload(bytes)).toThrow(assertion);
    slot.release();
  });

  afterAll(() => slots.assertAllHome());
});

describe('a pipeline’s memory', () => {
  test('has a tier for packets, which is dropped from when it is empty', () => {
    const memory = new BufferPool({ jitterBuffer: 1, decoding: 1 }, 1);
    const taken = [memory.packets.acquire(), memory.packets.acquire()];
    expect(memory.packets.acquire()).toBeUndefined();
    expect(memory.stats().packets).toMatchObject({ slots: 2, inUse: 2, misses: 1 });
    for (const slot of taken) slot?.release();
    memory.assertAllHome();
  });

  test('has a tier for control messages, which come from the heap when it is empty', () => {
    const memory = new BufferPool({ jitterBuffer: 1 }, 1);
    const pooled = memory.acquire(100);
    const heap = memory.acquire(100);
    expect(heap.bytes.length).toBeGreaterThanOrEqual(100);
    expect(memory.stats().control).toMatchObject({ hits: 1, misses: 1, inUse: 1, peak: 1 });
    heap.release();
    expect(() => memory.assertAllHome()).toThrow(/control messages: 1/);
    pooled.release();
    memory.assertAllHome();
  });

  test('takes a message that is too long for the tier from the heap, and counts it', () => {
    const memory = new BufferPool({ jitterBuffer: 1 }, 1);
    expect(memory.acquire(4_096).bytes).toHaveLength(4_096);
    expect(memory.acquire(60_000).bytes).toHaveLength(60_000);
    expect(memory.stats().control).toMatchObject({ hits: 1, misses: 1 });
  });

  test('is what messages are written into', () => {
    const memory = new BufferPool({ jitterBuffer: 1 }, 2);
    const message = { kind: 'notification', method: 'n', params: { a: 1 } } as const;
    const { buffer, length } = encodeMessage(message, memory);
    expect(memory.stats().control.inUse).toBe(1);
    const onHeap = encodeMessage(message);
    expect(buffer.bytes.subarray(0, length)).toEqual(
      onHeap.buffer.bytes.subarray(0, onHeap.length),
    );
    buffer.release();
    memory.assertAllHome();
  });
});
