import type { Layout, Memory } from './addon.js';
import { limits } from './limits.js';

const WORD_32 = 2 ** 32;

/**
 * JavaScript's views on the block that a stream shares with its device thread. The views are made
 * once; no method allocates. Words are read and written with Atomics, as the thread does.
 */
export class StreamMemory {
  readonly layout: Layout;
  readonly slotCount: number;
  readonly #memory: Memory;
  readonly #words: Int32Array;
  readonly #headers: Int32Array;
  readonly #headerDoubles: Float64Array;
  readonly #headerWords: number;
  readonly #statistics: Float64Array;
  readonly #attempt: Float64Array;

  constructor(memory: Memory, layout: Layout, slotCount: number) {
    const { buffer } = memory;
    this.layout = layout;
    this.slotCount = slotCount;
    this.#memory = memory;
    this.#words = new Int32Array(buffer, 0, layout.headersByteOffset / 4);
    const headerBytes = slotCount * layout.headerBytes;
    this.#headers = new Int32Array(buffer, layout.headersByteOffset, headerBytes / 4);
    this.#headerDoubles = new Float64Array(buffer, layout.headersByteOffset, headerBytes / 8);
    this.#headerWords = layout.headerBytes / 4;
    this.#statistics = new Float64Array(layout.statisticCount);
    this.#attempt = new Float64Array(layout.statisticCount);
  }

  load(word: number): number {
    return Atomics.load(this.#words, word);
  }

  store(word: number, value: number): void {
    Atomics.store(this.#words, word, value);
  }

  exchange(word: number, value: number): number {
    return Atomics.exchange(this.#words, word, value);
  }

  /** The index after `index`: indices run to twice the slot count, so that full is not empty. */
  next(index: number): number {
    return index + 1 === 2 * this.slotCount ? 0 : index + 1;
  }

  distance(from: number, to: number): number {
    return to >= from ? to - from : to - from + 2 * this.slotCount;
  }

  slotOf(index: number): number {
    return index >= this.slotCount ? index - this.slotCount : index;
  }

  /** The samples of each slot, as views of `length` samples. Made once, at the start. */
  slots(length: number): Int16Array[] {
    const { buffer, samplesByteOffset, slotStrideBytes } = this.#memory;
    return Array.from(
      { length: this.slotCount },
      (_, slot) => new Int16Array(buffer, samplesByteOffset + slot * slotStrideBytes, length),
    );
  }

  headerInt(slot: number, field: number): number {
    return this.#headers[slot * this.#headerWords + field]!;
  }

  setHeaderInt(slot: number, field: number, value: number): void {
    this.#headers[slot * this.#headerWords + field] = value;
  }

  headerDouble(slot: number, field: number): number {
    return this.#headerDoubles[(slot * this.#headerWords) / 2 + field]!;
  }

  /**
   * A consistent picture of the first `count` of the thread's statistics; the same array each time,
   * what lies behind `count` in it is older.
   */
  statistics(count: number = this.layout.statisticCount): Float64Array {
    const { sequence } = this.layout;
    for (let reads = 0; reads < limits.statisticsReadsMax; reads++) {
      const before = this.load(sequence);
      if ((before & 1) !== 0) continue;
      this.#copyStatistics(count);
      if (this.load(sequence) === before) {
        for (let i = 0; i < count; i++) this.#statistics[i] = this.#attempt[i]!;
        break;
      }
    }
    // A thread that was interrupted while it wrote: the last picture stands.
    return this.#statistics;
  }

  #copyStatistics(count: number): void {
    const words = this.#words;
    const first = this.layout.statistics;
    for (let i = 0; i < count; i++) {
      const low = Atomics.load(words, first + 2 * i) >>> 0;
      this.#attempt[i] = Atomics.load(words, first + 2 * i + 1) * WORD_32 + low;
    }
  }

  /** Since when the thread has been inside libasound, in us of CLOCK_MONOTONIC; 0 = it is not. */
  inCallSinceUs(nowUs: number): number {
    const low = this.load(this.layout.inCallSince);
    if (low === 0) return 0;
    const now = Math.floor(nowUs);
    const elapsed = ((now % WORD_32) - (low >>> 0) + WORD_32) % WORD_32;
    // A reading that is a moment newer than `nowUs` is not one from 71 minutes ago.
    return elapsed > WORD_32 - 1_000_000 ? now : now - elapsed;
  }
}
