import { type AudioPacket, limits, packetFlags, type ReceivedPacket } from '@kvm-audio/protocol';
import { opusPacketMs } from './opusPacketMs.js';

/** Of a packet whose length nobody knows: it counts as the longest frame. */
const unknownMs = 60;

/** A packet in memory of its own, to be kept as long as one likes. */
export function copyPacket(packet: AudioPacket): AudioPacket {
  const { seq, mediaTime, captureTimeUs, flags } = packet;
  return { seq, mediaTime, captureTimeUs, flags, payload: new Uint8Array(packet.payload) };
}

type Taker = (result: IteratorResult<AudioPacket, undefined>) => void;

/**
 * Packets for a `for await` loop: copies, in order. What the loop is too slow for waits here, and
 * beyond a bound in milliseconds the oldest goes; the packet behind it is flagged as a
 * discontinuity.
 */
export class PacketQueue implements AsyncIterableIterator<AudioPacket, undefined, undefined> {
  readonly #queueMsMax: number;
  readonly #onEnd: (queue: PacketQueue) => void;
  readonly #waiting: { packet: AudioPacket; ms: number }[] = [];
  readonly #takers: Taker[] = [];
  #waitingMs = 0;
  #dropped = 0;
  #ended = false;

  constructor(queueMsMax: number = limits.sendQueueMs, onEnd: (queue: PacketQueue) => void) {
    if (!(queueMsMax > 0)) throw new RangeError(`queueMs must be above 0, not ${queueMsMax}`);
    this.#queueMsMax = queueMsMax;
    this.#onEnd = onEnd;
  }

  /** Audio that waits for the loop, in milliseconds. */
  get queuedMs(): number {
    return this.#waitingMs;
  }

  /** Packets that went because the loop was slow. */
  get dropped(): number {
    return this.#dropped;
  }

  /** @returns how many packets were dropped for it. */
  push(received: ReceivedPacket): number {
    if (this.#ended) return 0;
    const packet = copyPacket(received);
    const taker = this.#takers.shift();
    if (taker) {
      taker({ done: false, value: packet });
      return 0;
    }
    const ms = opusPacketMs(packet.payload) ?? unknownMs;
    this.#waiting.push({ packet, ms });
    this.#waitingMs += ms;
    const before = this.#dropped;
    while (this.#waiting.length > 1 && this.#waitingMs > this.#queueMsMax) {
      this.#removeOldest();
      this.#dropped += 1;
    }
    const oldest = this.#waiting[0];
    if (oldest && this.#dropped > before) oldest.packet.flags |= packetFlags.discontinuity;
    return this.#dropped - before;
  }

  next(): Promise<IteratorResult<AudioPacket, undefined>> {
    if (this.#ended) return Promise.resolve({ done: true, value: undefined });
    const packet = this.#removeOldest();
    if (packet) return Promise.resolve({ done: false, value: packet });
    return new Promise((resolve) => this.#takers.push(resolve));
  }

  /** Ends it; what waits is not taken any more. Idempotent. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#waiting.length = 0;
    this.#waitingMs = 0;
    for (const taker of this.#takers) taker({ done: true, value: undefined });
    this.#takers.length = 0;
    this.#onEnd(this);
  }

  /** The loop was left. */
  return(): Promise<IteratorResult<AudioPacket, undefined>> {
    this.end();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #removeOldest(): AudioPacket | undefined {
    const oldest = this.#waiting.shift();
    if (oldest) this.#waitingMs -= oldest.ms;
    return oldest?.packet;
  }
}
