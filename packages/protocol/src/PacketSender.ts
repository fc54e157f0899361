import { strict as assert } from 'node:assert';
import type { Connection } from './Connection.js';
import { ProtocolError } from './errors.js';
import { limits, sendQueuePacketsMax } from './limits.js';

/** A packet in pooled memory: the whole message as it is written is `bytes[start, end)`. */
export interface OutgoingPacket {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
  readonly durationMs: number;
  retain(): void;
  release(): void;
}

/**
 * What waits for one client: the only place where audio may queue towards it. What the connection
 * does not take at once (`ByteStream.trySend`) waits here, bounded in milliseconds; beyond that
 * the oldest whole packet goes (`send_queue_full`). Slots are retained while they
 * wait, and go out as the client reads on. No timer: time is looked at when a packet is offered, or
 * when `flush` is called.
 */
export class PacketSender {
  readonly #connection: Connection;
  #queueMsMax: number;
  // A ring; #first is the oldest.
  readonly #slots: (OutgoingPacket | undefined)[] = new Array(sendQueuePacketsMax + 1);
  /** When each was offered. */
  readonly #offeredMs = new Float64Array(sendQueuePacketsMax + 1);
  #first = 0;
  #waiting = 0;
  #waitingMs = 0;
  /** Since when not one packet has been taken, where one was refused. */
  #refusedSinceMs: number | undefined;
  #dropped = 0;
  #sent = 0;
  #stopped = false;
  /** A packet that had to wait was taken, so long after it was offered. */
  onWaited: (waitedMs: number) => void = () => undefined;

  constructor(connection: Connection, queueMsMax: number = limits.sendQueueMs) {
    this.#connection = connection;
    this.#queueMsMax = queueMsMax;
    connection.onRoom = () => this.flush();
  }

  /** Whole packets dropped because this client was slow. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Packets that the connection took. */
  get sent(): number {
    return this.#sent;
  }

  /** Audio that waits here, in milliseconds, without what is in flight. */
  get queuedMs(): number {
    return this.#waitingMs;
  }

  /** Nothing waits, so that others may send to this client by this; undefined: they may not. */
  get idleGate(): object | undefined {
    return this.#stopped || this.#waiting > 0 ? undefined : this.#connection.packetGate;
  }

  /** Others have sent so many packets to this client. */
  noteSent(packets: number): void {
    if (packets === 0) return;
    this.#sent += packets;
    this.#refusedSinceMs = undefined;
  }

  /** Sends one packet, or queues it. */
  offer(packet: OutgoingPacket): void {
    if (this.#stopped || this.#connection.closed) return;
    if (this.#waiting === 0 && this.#connection.trySend(packet)) {
      this.#onTaken();
      return;
    }
    packet.retain();
    const index = this.#index(this.#waiting);
    this.#slots[index] = packet;
    this.#offeredMs[index] = performance.now();
    this.#waiting += 1;
    this.#waitingMs += packet.durationMs;
    this.#dropExcess();
    this.flush();
  }

  /** Lets so much wait from now on. What waits beyond it goes at once, the oldest first. */
  bound(queueMsMax: number): void {
    this.#queueMsMax = queueMsMax;
    this.#dropExcess();
  }

  /** Sends what waits, as far as it is taken. A client that takes nothing for long is told off. */
  flush(): void {
    if (this.#stopped || this.#connection.closed) return;
    while (this.#waiting > 0 && this.#connection.trySend(this.#oldest())) {
      const waitedMs = performance.now() - (this.#offeredMs[this.#first] ?? 0);
      this.#removeOldest();
      this.#onTaken();
      this.onWaited(waitedMs);
    }
    if (this.#waiting > 0) this.#checkPatience();
  }

  /** Gives back what waits. */
  stop(): void {
    this.#stopped = true;
    this.#dropped += this.#waiting;
    while (this.#waiting > 0) this.#removeOldest();
  }

  #dropExcess(): void {
    while (this.#waiting > sendQueuePacketsMax || this.#isTooLong()) {
      this.#dropped += 1;
      this.#removeOldest();
    }
  }

  #onTaken(): void {
    this.#sent += 1;
    this.#refusedSinceMs = undefined;
  }

  #checkPatience(): void {
    const nowMs = performance.now();
    this.#refusedSinceMs ??= nowMs;
    if (nowMs - this.#refusedSinceMs <= limits.slowConsumerMs) return;
    const text = `nothing was accepted for ${limits.slowConsumerMs} ms`;
    this.#connection.fail(new ProtocolError('SLOW_CONSUMER', text));
    this.#connection.destroy();
  }

  #index(offset: number): number {
    return (this.#first + offset) % this.#slots.length;
  }

  /** The newest packet stays, however long it is. */
  #isTooLong(): boolean {
    return this.#waiting > 1 && this.#waitingMs > this.#queueMsMax;
  }

  #oldest(): OutgoingPacket {
    const oldest = this.#slots[this.#first];
    assert(oldest, 'a waiting packet');
    return oldest;
  }

  #removeOldest(): void {
    const oldest = this.#oldest();
    this.#slots[this.#first] = undefined;
    this.#first = this.#index(1);
    this.#waiting -= 1;
    // Lengths like 2.61 leave a rest in the sum.
    this.#waitingMs = this.#waiting === 0 ? 0 : this.#waitingMs - oldest.durationMs;
    oldest.release();
  }
}
