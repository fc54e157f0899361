import { EventEmitter } from 'node:events';
import {
  type ClientStats,
  type Connection,
  clientNotices,
  PacketSender,
  type ProtocolError,
  packetFlags,
  type SourceFeedback,
  type StreamFormat,
} from '@kvm-audio/protocol';
import { Link, type ServerNotice, type WaitOptions } from './Link.js';
import { messageRoom, OutgoingMessage } from './OutgoingMessage.js';
import { type PlacedPacket, SentStream, type TalkerPacket } from './SentStream.js';
import { tell } from './tell.js';

/**
 * Events of a `Talker`, with what their handlers are given. What a handler throws is an uncaught
 * error of the process and does nothing to the connection.
 */
export type TalkerEvents = {
  /** Packets are taken, at first or again; `format` is what the daemon would like to get. */
  connected: [format: StreamFormat];
  /** The format that is asked for changed. What comes in another one is played all the same. */
  format: [format: StreamFormat];
  /** After a `send` that was not `taken`: nothing waits any more, packets are taken again. */
  drain: [];
  /** What arrives at the output pipeline, each 2.5 s: for the sender's FEC and bitrate. */
  feedback: [feedback: SourceFeedback];
  /** Another source, by this name, took over. This one is closed and stays so. */
  replaced: [by: string];
  /**
   * The connection was lost, or could not be made; it is tried again in `retryMs` milliseconds.
   * AUDIO_ALREADY_RUNNING: another source plays. No error where the
   * connection just ended: the daemon stopped, or a pipeline died.
   */
  disconnected: [error: ProtocolError | undefined, retryMs: number];
  /** `close` was called, the signal was aborted, or another source took over. The last event. */
  closed: [];
};

export type TalkerOptions = {
  /** Path of output.sock: `socketPath(runtimeFolder(), 'output')`. At most 107 bytes. */
  path: string;
  /** Who talks, for the daemon's log and status. At most 64 bytes. */
  client: string;
  /** Take the place of a source that plays now, at each connection; false by default. */
  takeover?: boolean | undefined;
  /** Aborting it is `close()`. */
  signal?: AbortSignal | undefined;
};

/**
 * What became of a packet:
 *
 * - `taken`: it is on its way.
 * - `queued`: it waits in this process, behind what the socket has not taken yet; see `queuedMs`.
 * - `dropped`: audio was lost. Either there is no connection, and the packet is gone; or more than
 *   200 ms would have waited, and the oldest packets went to make room for this one.
 */
export type SendResult = 'taken' | 'queued' | 'dropped';

/** What a talker has counted since it was made. */
export type TalkerCounters = {
  /** Packets that the socket took; the last two of them the kernel may not have yet. */
  sentPackets: number;
  /** Packets that were not, because there was no connection or too much waited. */
  droppedPackets: number;
  /** Connections that were made. */
  connections: number;
};

/** Before the daemon has told its own. */
const defaultFrameMs = 20;

/**
 * Plays on the output: Opus packets to the output pipeline, at the pace at which they are heard.
 *
 * Connects at once, and again whenever the connection is lost, until it is closed or replaced:
 * after the loss of a connection that held for a second at once, else after 20 ms, growing to 2 s
 * (a pipeline that was away for half a second is met within 100 ms). It is one stream all the time:
 * `seq` and `mediaTime` go on, and the first packet of a new connection carries the flag
 * `packetFlags.discontinuity`.
 *
 * Nothing here waits: `send` tells at once what became of a packet, `queuedMs` what waits, `drain`
 * when nothing does any more. A sender that can, sends less after `queued`. The kernel has room for
 * some seconds of audio, so that all this tells of a pipeline that stands still, not of one that is a
 * little late or of a sender that is too fast: `feedback` does.
 */
export class Talker extends EventEmitter<TalkerEvents> {
  readonly #link: Link;
  readonly #stream = new SentStream();
  readonly #room = messageRoom();
  #message = new OutgoingMessage(this.#room);
  #sender: PacketSender | undefined;
  /** The next packet is the first after a gap. */
  #gap = false;
  /** The last answer was not `taken`. */
  #drainDue = false;
  #connections = 0;
  #dropped = 0;
  #sentBefore = 0;

  /**
   * @throws Error where `path` is longer than 107 bytes.
   * @throws ProtocolError BAD_PARAMS, naming the option that is not as it must be.
   */
  constructor(options: TalkerOptions) {
    super();
    const { path, client, takeover, signal } = options;
    const who = { role: 'source', client } as const;
    this.#link = new Link(path, takeover === undefined ? who : { ...who, takeover }, signal, {
      onUp: (connection, format) => this.#onUp(connection, format),
      onNotice: (notice) => this.#onNotice(notice),
      onPacket: () => undefined,
      onDown: (error, retryMs) => {
        this.#dropSender();
        tell(() => this.emit('disconnected', error, retryMs));
      },
      onClosed: () => {
        this.#dropSender();
        tell(() => this.emit('closed'));
      },
    });
    this.#link.start();
  }

  /** Whether it is closed, for good. */
  get closed(): boolean {
    return this.#link.closed;
  }

  /** The format that the daemon asks for; undefined before the first connection. */
  get format(): StreamFormat | undefined {
    return this.#link.format;
  }

  /** Audio that waits in this process, in milliseconds, 0 to 200; what the kernel has is not in it. */
  get queuedMs(): number {
    return this.#sender?.queuedMs ?? 0;
  }

  /** A copy of what it has counted. */
  get counters(): TalkerCounters {
    return {
      sentPackets: this.#sentBefore + (this.#sender?.sent ?? 0),
      droppedPackets: this.#dropped + (this.#sender?.dropped ?? 0),
      connections: this.#connections,
    };
  }

  /**
   * Waits for the connection; it is there already where it is. The talker goes on trying whatever
   * becomes of the wait.
   *
   * @returns the format that the daemon asks for.
   * @throws ProtocolError DEADLINE_EXCEEDED; CONNECTION_CLOSED where the talker is closed; an
   *   error that is not `retryable` (FORBIDDEN, PROTOCOL_VERSION) as soon as a try ends with it.
   * @throws the reason of a signal that is aborted.
   */
  connected(options: WaitOptions = {}): Promise<StreamFormat> {
    return this.#link.connected(options);
  }

  /**
   * Sends one packet, or queues it; the payload is copied before this returns.
   *
   * @param durationMs the packet's length, 2.5 to 120; by default the packet itself says it. The
   *   queue is bounded by it, and the next packet's `mediaTime` follows from it.
   * @returns what became of it. A closed talker drops.
   * @throws RangeError naming the field that is out of its bounds; nothing was sent then.
   */
  send(packet: TalkerPacket, durationMs?: number): SendResult {
    const frameMs = this.format?.frameMs ?? defaultFrameMs;
    const next = this.#stream.next(packet, durationMs, frameMs);
    const sender = this.#link.connection ? this.#sender : undefined;
    const result = sender ? this.#offer(sender, next) : 'dropped';
    if (!sender) {
      this.#dropped += 1;
      this.#gap = true;
    }
    if (result !== 'taken') this.#drainDue = true;
    return result;
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

  /** Closes it, for good: what is `taken` still goes out, what is `queued` does not. Idempotent. */
  close(): void {
    this.#link.close();
  }

  #offer(sender: PacketSender, packet: PlacedPacket): SendResult {
    const { dropped } = sender;
    const message = this.#message;
    message.write(packet, packet.flags | (this.#gap ? packetFlags.discontinuity : 0));
    sender.offer(message);
    if (message.kept) this.#message = new OutgoingMessage(this.#room);
    this.#gap = false;
    if (sender.dropped > dropped) return 'dropped';
    return sender.queuedMs > 0 ? 'queued' : 'taken';
  }

  #onUp(connection: Connection, format: StreamFormat): void {
    const sender = new PacketSender(connection);
    this.#sender = sender;
    this.#gap ||= this.#connections > 0;
    this.#connections += 1;
    connection.onRoom = () => {
      sender.flush();
      this.#onRoom();
    };
    tell(() => this.emit('connected', format));
    this.#onRoom();
  }

  #onRoom(): void {
    if (!this.#drainDue || this.queuedMs > 0 || !this.#link.connection) return;
    this.#drainDue = false;
    tell(() => this.emit('drain'));
  }

  #onNotice(notice: ServerNotice): void {
    if (notice.method === 'format.changed') tell(() => this.emit('format', notice.params));
    if (notice.method === 'source.feedback') tell(() => this.emit('feedback', notice.params));
    if (notice.method !== 'source.replaced') return;
    const { by } = notice.params;
    tell(() => this.emit('replaced', by));
    this.close();
  }

  #dropSender(): void {
    const sender = this.#sender;
    if (!sender) return;
    this.#sender = undefined;
    sender.stop();
    this.#sentBefore += sender.sent;
    this.#dropped += sender.dropped;
  }
}
