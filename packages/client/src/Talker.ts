import { EventEmitter } from 'node:events';
import {
  type AudioPacket,
  type Connection,
  checkStreamFormat,
  PacketSender,
  type ProtocolError,
  type StreamFormat,
} from '@kvm-audio/protocol';
import { connect } from './connect.js';
import { OutgoingCopy } from './OutgoingCopy.js';
import { Reconnector } from './Reconnector.js';

export type TalkerEvents = {
  /** Packets are accepted, at first or again; `format` is what the daemon would like to get. */
  connected: [format: StreamFormat];
  /** The format that is asked for changed. */
  format: [format: StreamFormat];
  /** Another source took over; this one is closed and stays so. */
  replaced: [];
  /** The connection was lost, or could not be made; it is tried again. */
  disconnected: [error: ProtocolError | undefined];
};

export type TalkerOptions = {
  /** Path of output.sock. */
  path: string;
  /** Who talks, for the daemon's log. */
  client: string;
  /** Take the place of a source that plays now. */
  takeover?: boolean;
};

/** Plays to the host: packets to the output pipeline. Reconnects until it is closed or replaced. */
export class Talker extends EventEmitter<TalkerEvents> {
  readonly #options: TalkerOptions;
  readonly #reconnector: Reconnector;
  #connection: Connection | undefined;
  #sender: PacketSender | undefined;
  #frameMs = 20;

  constructor(options: TalkerOptions) {
    super();
    this.#options = options;
    this.#reconnector = new Reconnector(
      (lost) => this.#connect(lost),
      (error) => this.emit('disconnected', error),
    );
    this.#reconnector.start();
  }

  /**
   * Sends one packet; the payload is copied before this returns.
   *
   * @param durationMs the packet's length, by which the queue is bounded.
   * @returns false where there is no connection: the packet is dropped.
   */
  send(packet: AudioPacket, durationMs: number = this.#frameMs): boolean {
    if (!this.#sender || !this.#connection || this.#connection.closed) return false;
    this.#sender.offer(new OutgoingCopy(packet, durationMs));
    return true;
  }

  /** Idempotent. */
  close(): void {
    this.#reconnector.stop();
    this.#sender?.stop();
    this.#connection?.end();
  }

  async #connect(lost: (error: ProtocolError | undefined) => void): Promise<void> {
    const { path, client, takeover } = this.#options;
    let up = false;
    await connect(
      path,
      takeover === undefined ? { role: 'source', client } : { role: 'source', client, takeover },
      {
        onRequest: () => null,
        onNotification: (method, params) => this.#onNotice(method, params),
        onPacket: () => undefined,
        onClose: (error) => {
          if (!up) return;
          this.#sender?.stop();
          this.#sender = undefined;
          if (this.#reconnector.stopped) return;
          this.emit('disconnected', error);
          lost(error);
        },
      },
      ({ stream }, connection) => {
        if (this.#reconnector.stopped) {
          connection.end();
          return;
        }
        up = true;
        this.#connection = connection;
        this.#sender = new PacketSender(connection);
        if (stream) this.#onFormat('connected', stream);
      },
    );
  }

  #onNotice(method: string, params: unknown): void {
    if (method === 'format.changed') this.#onFormat('format', checkStreamFormat(params, method));
    if (method !== 'source.replaced') return;
    this.#reconnector.stop();
    this.emit('replaced');
  }

  #onFormat(event: 'connected' | 'format', format: StreamFormat): void {
    this.#frameMs = format.frameMs;
    this.emit(event, format);
  }
}
