import { mediaRate, type ReceivedPacket } from '@kvm-audio/protocol';

const usPerFrame = 1e6 / mediaRate;
/** Over how long the earliest packet is looked for: the clocks part by less than 1 ms in it. */
const windowParts = 8;
const partUs = 250_000;
/** Packets behind the newest that can be told from their copies. */
const seenCount = 32;
/** A step of the sequence number beyond this is a new count. */
const seqStepMax = 1_000;

/** How late packets come, compared with the earliest of the last two seconds. */
export class Lateness {
  /** Transit times in microseconds, the least of each part of the window. */
  readonly #earliestUs = new Float64Array(windowParts).fill(Number.POSITIVE_INFINITY);
  #part = 0;
  #newestSeq: number | undefined;
  /** Bit n: the packet n behind the newest has come. */
  #seen = 0;
  #lastUs = 0;
  /** Of the packets that were held up together, the latest. */
  #heldUpUs = 0;
  /**
   * The packet was due before the one in front of it came, and is no later than those that were
   * held up with it, however they catch up.
   */
  follows = false;

  /** Who is punctual is to be found anew. */
  rebase(): void {
    this.#earliestUs.fill(Number.POSITIVE_INFINITY);
    this.#heldUpUs = 0;
  }

  /** Another source. */
  reset(): void {
    this.#newestSeq = undefined;
    this.rebase();
  }

  /** @returns how late it is, in microseconds; undefined for a copy. */
  observe({ seq, mediaTime }: ReceivedPacket, nowUs: number): number | undefined {
    if (!this.#isNew(seq)) return undefined;
    const transitUs = nowUs - mediaTime * usPerFrame;
    const lateUs = transitUs - this.#earliest(transitUs, nowUs);
    const isHeldUp = nowUs - lateUs < this.#lastUs;
    this.follows = isHeldUp && lateUs <= this.#heldUpUs;
    this.#heldUpUs = isHeldUp ? Math.max(lateUs, this.#heldUpUs) : lateUs;
    this.#lastUs = nowUs;
    return lateUs;
  }

  #earliest(transitUs: number, nowUs: number): number {
    const part = Math.floor(nowUs / partUs);
    const passed = Math.min(part - this.#part, windowParts);
    for (let i = 0; i < passed; i++) {
      this.#earliestUs[(part - i) % windowParts] = Number.POSITIVE_INFINITY;
    }
    this.#part = part;
    const at = part % windowParts;
    this.#earliestUs[at] = Math.min(this.#earliestUs[at] ?? transitUs, transitUs);
    let earliestUs = transitUs;
    for (const leastUs of this.#earliestUs) earliestUs = Math.min(earliestUs, leastUs);
    return earliestUs;
  }

  /** Sequence numbers are u32 and wrap. */
  #isNew(seq: number): boolean {
    const step = this.#newestSeq === undefined ? seqStepMax : (seq - this.#newestSeq) | 0;
    if (step > 0 || step < -seqStepMax) {
      this.#seen = step > 0 && step < seenCount ? (this.#seen << step) | 1 : 1;
      this.#newestSeq = seq;
      return true;
    }
    const bit = -step < seenCount ? 1 << -step : 0;
    const isNew = (this.#seen & bit) === 0 && bit !== 0;
    this.#seen |= bit;
    return isNew;
  }
}
