import {
  heapMemory,
  type MessageBuffer,
  type MessageMemory,
  type PoolStats,
} from '@kvm-audio/protocol';
import { FramePool, Slot } from './FramePool.js';
import { PacketSlot, packetSlotBytes } from './PacketSlot.js';

/** Most control messages are a few hundred bytes; larger ones come from the heap. */
const controlSlotBytes = 4_096;

class ControlSlot extends Slot implements MessageBuffer {
  readonly bytes: Buffer;

  constructor(bytes: Buffer) {
    super();
    this.bytes = bytes;
  }
}

/**
 * A pipeline's memory in two tiers: audio packets, which are dropped and counted when the tier is
 * empty, and control messages, which then come from the heap and count as a miss: a control
 * message is never lost.
 */
export class BufferPool implements MessageMemory {
  readonly packets: FramePool<PacketSlot>;
  readonly #control: FramePool<ControlSlot>;
  #oversize = 0;

  /** @param packetHolders see `FramePool`. */
  constructor(packetHolders: Readonly<Record<string, number>>, controlSlots: number) {
    this.packets = new FramePool(
      'audio packets',
      packetHolders,
      packetSlotBytes,
      (bytes) => new PacketSlot(bytes),
    );
    this.#control = new FramePool(
      'control messages',
      { connections: controlSlots },
      controlSlotBytes,
      (bytes) => new ControlSlot(bytes),
    );
  }

  /** Memory for a control message. */
  acquire(bytes: number): MessageBuffer {
    if (bytes <= controlSlotBytes) return this.#control.acquire() ?? heapMemory.acquire(bytes);
    this.#oversize += 1;
    return heapMemory.acquire(bytes);
  }

  stats(): { packets: PoolStats; control: PoolStats } {
    const control = this.#control.stats();
    control.misses += this.#oversize;
    return { packets: this.packets.stats(), control };
  }

  assertAllHome(): void {
    this.packets.assertAllHome();
    this.#control.assertAllHome();
  }
}
