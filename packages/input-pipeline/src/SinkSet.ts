import type { PacketSlot } from '@kvm-audio/audio';
import { type Connection, PacketSender } from '@kvm-audio/protocol';

/**
 * Everybody who listens. Each has a queue of its own, so that a slow one loses its own packets and
 * delays nobody.
 */
export class SinkSet {
  readonly #senders = new Map<Connection, PacketSender>();
  readonly #onWaited: (waitedMs: number) => void;
  #sentByGone = 0;
  #droppedByGone = 0;

  /** @param onWaited a packet that had to wait for its client was sent, so long after the others. */
  constructor(onWaited: (waitedMs: number) => void = () => undefined) {
    this.#onWaited = onWaited;
  }

  get size(): number {
    return this.#senders.size;
  }

  add(connection: Connection): void {
    const sender = new PacketSender(connection);
    sender.onWaited = this.#onWaited;
    this.#senders.set(connection, sender);
  }

  remove(connection: Connection): void {
    const sender = this.#senders.get(connection);
    if (!sender) return;
    this.#senders.delete(connection);
    sender.stop();
    this.#sentByGone += sender.sent;
    this.#droppedByGone += sender.dropped;
  }

  /** Offers a sealed packet to each; they retain it as long as they need it. */
  send(packet: PacketSlot): void {
    for (const sender of this.#senders.values()) sender.offer(packet);
  }

  /** What waits for a client that reads again goes out, also where no new packet comes. */
  flush(): void {
    for (const sender of this.#senders.values()) sender.flush();
  }

  notify(method: string, params: unknown): void {
    for (const connection of this.#senders.keys()) connection.notify(method, params);
  }

  totals(): { sent: number; dropped: number } {
    let sent = this.#sentByGone;
    let dropped = this.#droppedByGone;
    for (const sender of this.#senders.values()) {
      sent += sender.sent;
      dropped += sender.dropped;
    }
    return { sent, dropped };
  }
}
