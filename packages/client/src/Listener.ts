import { EventEmitter } from 'node:events';
import {
  type AudioPacket,
  type ClientStats,
  clientNotices,
  type ProtocolError,
  type ReceivedPacket,
  type StreamFormat,
} from '@kvm-audio/protocol';
import { Link, type WaitOptions } from './Link.js';
import { PacketQueue } from './PacketQueue.js';
import { type Gap, ResumedStream } from './ResumedStream.js';
import { tell } from './tell.js';

/**
 * Events of a `Listener`, with what their handlers are given. What a handler throws is an uncaught
 * error of the process and does nothing to the connection.
 */
export type ListenerEvents = {
  /** The stream is there, at first or again. */
  connected: [format: StreamFormat];
  /** The stream's format changed; it holds from the next packet on. */
  format: [format: StreamFormat];
  /**
   * One Opus packet. The object and its `payload` are used again for the next: they are good only
   * until the handler returns. Who keeps a packet, keeps `copyPacket(packet)`.
   */
  packet: [packet: AudioPacket];
  /** Audio in front of the next packet did not come. */
  gap: [gap: Gap];
  /**
   * The connection was lost, or could not be made; it is tried again in `retryMs` milliseconds. No
   * error where the daemon closed it as it should.
   */
  disconnected: [error: ProtocolError | undefined, retryMs: number];
  /** `close` was called, or the signal was aborted. The last event. */
  closed: [];
};

export type ListenerOptions = {
  /** Path of input.sock: `socketPath(runtimeFolder(), 'input')`. At most 107 bytes. */
  path: string;
  /** Who listens, for the daemon's log and status. At most 64 bytes. */
  client: string;
  /** Aborting it is `close()`. */
  signal?: AbortSignal | undefined;
};

/** How a loop over packets is to be fed. */
export type PacketsOptions = {
  /**
   * Audio that may wait for the loop, in milliseconds, above 0; 200 by default. Beyond it the
   * oldest packets go.
   */
  queueMs?: number | undefined;
  /** Ends the loop. */
  signal?: AbortSignal | undefined;
};

/** What a listener has counted since it was made. */
export type ListenerCounters = {
  /** Packets that came. */
  packets: number;
  /** Packets that did not, by their sequence numbers. */
  missedPackets: number;
  /** Audio that did not come, in milliseconds by the media time. */
  missedMs: number;
  /** Packets that came and that a `for await` loop was too slow for. */
  droppedPackets: number;
  /** Connections that were made. */
  connections: number;
};

/**
 * Hears the input: Opus packets from the input pipeline, as events or in a `for await` loop.
 *
 * Connects at once, and again whenever the connection is lost, until it is closed: after the loss
 * of a connection that held for a second at once, else after 20 ms, growing to 2 s (a pipeline that
 * was away for half a second is met within 100 ms). It is one stream all the time: `seq` and
 * `mediaTime` go on, also where the pipeline was restarted, and the first packet of a new connection
 * that does not continue the last carries the flag `packetFlags.discontinuity`.
 *
 * The daemon queues up to 200 ms for a listener that is slow, then drops its oldest packets: `gap` tells.
 */
export class Listener extends EventEmitter<ListenerEvents> implements AsyncIterable<AudioPacket> {
  readonly #link: Link;
  readonly #stream = new ResumedStream();
  readonly #queues = new Set<PacketQueue>();
  readonly #counters: ListenerCounters = {
    packets: 0,
    missedPackets: 0,
    missedMs: 0,
    droppedPackets: 0,
    connections: 0,
  };

  /**
   * @throws Error where `path` is longer than 107 bytes.
   * @throws ProtocolError BAD_PARAMS, naming the option that is not as it must be.
   */
  constructor(options: ListenerOptions) {
    super();
    const { path, client, signal } = options;
    this.#link = new Link(path, { role: 'sink', client }, signal, {
      onUp: (_, format, server) => {
        this.#counters.connections += 1;
        this.#stream.onConnected(server);
        tell(() => this.emit('connected', format));
      },
      onNotice: (notice) => {
        if (notice.method === 'format.changed') tell(() => this.emit('format', notice.params));
      },
      onPacket: (packet) => this.#onPacket(packet),
      onDown: (error, retryMs) => tell(() => this.emit('disconnected', error, retryMs)),
      onClosed: () => {
        for (const queue of this.#queues) queue.end();
        tell(() => this.emit('closed'));
      },
    });
    this.#link.start();
  }

  /** Whether it is closed, for good. */
  get closed(): boolean {
    return this.#link.closed;
  }

  /** The stream's format as it was last told; undefined before the first connection. */
  get format(): StreamFormat | undefined {
    return this.#link.format;
  }

  /** A copy of what it has counted. */
  get counters(): ListenerCounters {
    return { ...this.#counters };
  }

  /**
   * Waits for the connection; it is there already where it is. The listener goes on trying
   * whatever becomes of the wait.
   *
   * @returns the stream's format.
   * @throws ProtocolError DEADLINE_EXCEEDED; CONNECTION_CLOSED where the listener is closed; an
   *   error that is not `retryable` (FORBIDDEN, PROTOCOL_VERSION) as soon as a try ends with it.
   * @throws the reason of a signal that is aborted.
   */
  connected(options: WaitOptions = {}): Promise<StreamFormat> {
    return this.#link.connected(options);
  }

  /**
   * Packets for a `for await` loop, from now on: copies, which the loop may keep. Ends when the
   * listener is closed or the signal aborted (also in the midst of a wait; what waits in the queue
   * is not given any more), and when the loop is left.
   *
   * @throws RangeError where `queueMs` is not above 0.
   */
  packets(options: PacketsOptions = {}): AsyncIterableIterator<AudioPacket> {
    const { queueMs, signal } = options;
    const onAbort = (): void => queue.end();
    const queue = new PacketQueue(queueMs, () => {
      this.#queues.delete(queue);
      signal?.removeEventListener('abort', onAbort);
    });
    this.#queues.add(queue);
    signal?.addEventListener('abort', onAbort, { once: true });
    if (this.closed || signal?.aborted) queue.end();
    return queue;
  }

  /** `packets()` with its defaults: `for await (const packet of listener)`. */
  [Symbol.asyncIterator](): AsyncIterableIterator<AudioPacket> {
    return this.packets();
  }

  /**
   * Tells the daemon the client's own counters, as often as it likes; `status` shows them beside
   * the daemon's.
   *
   * @returns false where there is no connection: they are not told.
   * @throws ProtocolError BAD_PARAMS, naming the field that is out of its bounds.
   */
  reportStats(stats: ClientStats): boolean {
    return this.#link.notify('client.stats', clientNotices['client.stats'](stats, 'stats'));
  }

  /** Closes it, for good. Loops over its packets end. Idempotent. */
  close(): void {
    this.#link.close();
  }

  #onPacket(packet: ReceivedPacket): void {
    const gap = this.#stream.resume(packet);
    this.#counters.packets += 1;
    if (gap) {
      this.#counters.missedPackets += gap.packets;
      this.#counters.missedMs += gap.ms;
      tell(() => this.emit('gap', gap));
    }
    if (this.#queues.size > 0) this.#queue(packet);
    tell(() => this.emit('packet', packet));
  }

  #queue(packet: ReceivedPacket): void {
    for (const queue of this.#queues) this.#counters.droppedPackets += queue.push(packet);
  }
}
