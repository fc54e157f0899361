import { strict as assert } from 'node:assert';
import type { PoolStats } from '@kvm-audio/protocol';

/**
 * A piece of pooled memory with a count of holders. Whoever keeps it longer than a call retains
 * it; the last release sends it home. Releasing what nobody holds is a programmer's error.
 */
export abstract class Slot {
  #holders = 0;
  #goHome: (() => void) | undefined;

  /** For the pool alone. */
  enlist(goHome: () => void): void {
    this.#goHome = goHome;
  }

  retain(): void {
    this.#holders += 1;
  }

  release(): void {
    assert(this.#holders > 0, 'a slot was released more often than it was held');
    this.#holders -= 1;
    if (this.#holders === 0) this.#goHome?.();
  }
}

/**
 * A fixed number of slots, all allocated at the start. An empty pool answers undefined: the caller
 * drops and counts, nothing is ever allocated on the side.
 */
export class FramePool<S extends Slot> {
  readonly name: string;
  readonly #free: S[] = [];
  readonly #slots: number;
  #peak = 0;
  #hits = 0;
  #misses = 0;

  /**
   * @param holders how many slots each holder may keep at one time; the pool is their sum.
   * @param bytesPerSlot memory of one slot; all of it is one allocation.
   */
  constructor(
    name: string,
    holders: Readonly<Record<string, number>>,
    bytesPerSlot: number,
    make: (bytes: Buffer) => S,
  ) {
    this.name = name;
    this.#slots = Object.values(holders).reduce((sum, count) => sum + count, 0);
    assert(this.#slots > 0 && bytesPerSlot > 0, `${name}: a pool has slots and bytes`);
    const memory = Buffer.allocUnsafeSlow(this.#slots * bytesPerSlot);
    for (let i = 0; i < this.#slots; i++) {
      const slot = make(memory.subarray(i * bytesPerSlot, (i + 1) * bytesPerSlot));
      slot.enlist(() => this.#free.push(slot));
      this.#free.push(slot);
    }
  }

  /** A slot held once, by the caller; undefined when all are in use. */
  acquire(): S | undefined {
    const slot = this.#free.pop();
    if (!slot) {
      this.#misses += 1;
      return undefined;
    }
    this.#hits += 1;
    this.#peak = Math.max(this.#peak, this.#slots - this.#free.length);
    slot.retain();
    return slot;
  }

  stats(): PoolStats {
    const inUse = this.#slots - this.#free.length;
    return {
      slots: this.#slots,
      inUse,
      peak: this.#peak,
      hits: this.#hits,
      misses: this.#misses,
    };
  }

  /** At shutdown: every slot came home, else somebody leaks. */
  assertAllHome(): void {
    const { inUse } = this.stats();
    assert(inUse === 0, `${this.name}: ${inUse} slots were not given back`);
  }
}
