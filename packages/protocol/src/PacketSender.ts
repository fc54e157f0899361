import { strict as assert } from 'node:assert';
import type { Connection } from './Connection.js';
import { ProtocolError } from './errors.js';
import { limits, sendQueuePacketsMax } from './limits.js';

/** A packet in pooled memory. `message` is a view on it: the whole message, as it is written. */
export interface OutgoingPacket {
  readonly message: Uint8Array;
  readonly durationMs: number;
  retain(): void;
  release(): void;
}

/**
 * What waits for one client: the only place where audio may queue towards it. At most
 * `limits.packetsInFlightMax` packets are in the kernel's hands, the rest waits here, bounded in
 * milliseconds; beyond that the oldest whole packet goes (`send_queue_full`). Slots are retained
 * while they wait or are in flight. No timer: time is looked at when a packet is offered.
 */
export class PacketSender {
  readonly #connection: Connection;
  readonly #queueMsMax: number;
  // A ring of packets in flight, then packets that wait; #first is the oldest in flight.
  readonly #slots: (OutgoingPacket | undefined)[];
  #first = 0;
  #inFlight = 0;
  #waiting = 0;
  #waitingMs = 0;
  #progressAtMs: number;
  #dropped = 0;
  #sent = 0;
  #stopped = false;

  constructor(connection: Connection, queueMsMax: number = limits.sendQueueMs) {
    this.#connection = connection;
    this.#queueMsMax = queueMsMax;
    this.#slots = new Array(sendQueuePacketsMax + limits.packetsInFlightMax + 1);
    this.#progressAtMs = performance.now();
  }

  /** Whole packets dropped because this client was slow. */
  get dropped(): number {
    return this.#dropped;
  }

  get sent(): number {
    return this.#sent;
  }

  /** Audio that waits here, in milliseconds, without what is in flight. */
  get queuedMs(): number {
    return this.#waitingMs;
  }

  /** Queues or sends one packet. */
  offer(slot: OutgoingPacket): void {
    if (this.#stopped || this.#connection.closed) return;
    const nowMs = performance.now();
    if (this.#inFlight === 0) this.#progressAtMs = nowMs;
    if (nowMs - this.#progressAtMs > limits.slowConsumerMs) {
      const text = `nothing was accepted for ${limits.slowConsumerMs} ms`;
      this.#connection.fail(new ProtocolError('SLOW_CONSUMER', text));
      this.#connection.destroy();
      return;
    }
    slot.retain();
    this.#slots[this.#index(this.#inFlight + this.#waiting)] = slot;
    this.#waiting += 1;
    this.#waitingMs += slot.durationMs;
    while (this.#waiting > sendQueuePacketsMax || this.#isTooLong()) this.#dropOldest();
    this.#pump(nowMs);
  }

  /** Gives back what waits. What is in flight comes back when the socket lets go of it. */
  stop(): void {
    this.#stopped = true;
    while (this.#waiting > 0) this.#dropOldest();
  }

  #index(offset: number): number {
    return (this.#first + offset) % this.#slots.length;
  }

  /** The newest packet stays, however long it is. */
  #isTooLong(): boolean {
    return this.#waiting > 1 && this.#waitingMs > this.#queueMsMax;
  }

  #dropOldest(): void {
    const oldest = this.#slots[this.#index(this.#inFlight)];
    assert(oldest, 'a waiting packet');
    for (let i = this.#inFlight; i < this.#inFlight + this.#waiting - 1; i++) {
      this.#slots[this.#index(i)] = this.#slots[this.#index(i + 1)];
    }
    this.#slots[this.#index(this.#inFlight + this.#waiting - 1)] = undefined;
    this.#waiting -= 1;
    this.#waitingMs -= oldest.durationMs;
    this.#dropped += 1;
    oldest.release();
  }

  #pump(nowMs: number): void {
    while (this.#waiting > 0 && this.#inFlight < limits.packetsInFlightMax) {
      const slot = this.#slots[this.#index(this.#inFlight)];
      assert(slot, 'a waiting packet');
      if (this.#inFlight === 0) this.#progressAtMs = nowMs;
      this.#inFlight += 1;
      this.#waiting -= 1;
      this.#waitingMs -= slot.durationMs;
      this.#connection.writePacket(slot.message, this.#onAccepted);
    }
  }

  /** Called once a packet, in order, also where the socket died with it. */
  readonly #onAccepted = (): void => {
    const slot = this.#slots[this.#first];
    assert(slot && this.#inFlight > 0, 'a packet in flight');
    this.#slots[this.#first] = undefined;
    this.#first = this.#index(1);
    this.#inFlight -= 1;
    this.#sent += 1;
    const nowMs = performance.now();
    this.#progressAtMs = nowMs;
    slot.release();
    if (!this.#stopped && !this.#connection.closed) this.#pump(nowMs);
  };
}
