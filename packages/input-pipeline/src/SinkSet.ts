import type { PacketSlot } from '@kvm-audio/audio';
import type { Log } from '@kvm-audio/daemon';
import { type Connection, limits, PacketSender, type QueueCapacity } from '@kvm-audio/protocol';
import { ClientLoss } from './ClientLoss.js';

/**
 * Everybody who listens. Each has a queue of its own, so that a slow one loses its own packets and
 * delays nobody.
 */
export class SinkSet {
  readonly #senders = new Map<Connection, PacketSender>();
  readonly #losses = new Map<Connection, ClientLoss>();
  readonly #onWaited: (waitedMs: number) => void;
  /** So many packets may wait for each; nothing = the most that ever may. */
  #packets: number | undefined;
  #packetMs = 0;
  #sentByGone = 0;
  #droppedByGone = 0;

  /** @param onWaited a packet that had to wait for its client was sent, so long after the others. */
  constructor(onWaited: (waitedMs: number) => void = () => undefined) {
    this.#onWaited = onWaited;
  }

  get size(): number {
    return this.#senders.size;
  }

  /** Audio that waits for a client, on average over all. */
  get queueMs(): number {
    let queuedMs = 0;
    for (const sender of this.#senders.values()) queuedMs += sender.queuedMs;
    return this.size === 0 ? 0 : queuedMs / this.size;
  }

  /** Lets so many packets wait for each client from now on. */
  resize(packets: number): void {
    this.#packets = packets;
    this.#bound();
  }

  /** A client that stood still is not to hear more of old audio than `sendQueueMs`. */
  capacity(packetMs: number): QueueCapacity {
    const sizedMs = (this.#packets ?? Number.POSITIVE_INFINITY) * packetMs;
    const ms = packetMs > 0 ? Math.min(sizedMs, limits.sendQueueMs) : limits.sendQueueMs;
    return { frames: this.#packets ?? null, ms, targetWins: 0 };
  }

  #bound(): void {
    const { ms } = this.capacity(this.#packetMs);
    for (const sender of this.#senders.values()) sender.bound(ms);
  }

  add(connection: Connection, client: string): void {
    const sender = new PacketSender(connection, this.capacity(this.#packetMs).ms);
    sender.onWaited = this.#onWaited;
    this.#senders.set(connection, sender);
    this.#losses.set(connection, new ClientLoss(client, sender));
  }

  remove(connection: Connection): void {
    const sender = this.#senders.get(connection);
    if (!sender) return;
    this.#senders.delete(connection);
    this.#losses.delete(connection);
    sender.stop();
    this.#sentByGone += sender.sent;
    this.#droppedByGone += sender.dropped;
  }

  /**
   * Where others send packets of this length to all who listen, in this set's place: a gate for
   * each, in the order of `noteSent`. Undefined while a packet waits for one of them.
   */
  idleGates(packetMs: number): object[] | undefined {
    this.#follow(packetMs);
    const gates: object[] = [];
    for (const { idleGate } of this.#senders.values()) {
      if (!idleGate) return undefined;
      gates.push(idleGate);
    }
    return gates;
  }

  /**
   * Others have sent so many packets to all who listen; but the last of them, `rest`, only to the
   * first `had` clients: the others are offered it.
   */
  noteSent(packets: number, rest?: { packet: PacketSlot; had: number }): void {
    let index = 0;
    for (const sender of this.#senders.values()) {
      const lacks = rest !== undefined && index >= rest.had;
      sender.noteSent(lacks ? packets - 1 : packets);
      if (lacks) sender.offer(rest.packet);
      index += 1;
    }
  }

  /** Offers a sealed packet to each; they retain it as long as they need it. */
  send(packet: PacketSlot): void {
    this.#follow(packet.durationMs);
    for (const sender of this.#senders.values()) sender.offer(packet);
  }

  /** A size is counted in packets of this length. */
  #follow(packetMs: number): void {
    if (packetMs === this.#packetMs) return;
    this.#packetMs = packetMs;
    this.#bound();
  }

  /** What waits for a client that reads again goes out, also where no new packet comes. */
  flush(): void {
    for (const sender of this.#senders.values()) sender.flush();
  }

  /** Now and then: `flush`, and a line of the log for who is too slow, or keeps up again. */
  look(log: Log): void {
    this.flush();
    const nowMs = performance.now();
    for (const loss of this.#losses.values()) loss.look(log, nowMs);
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
