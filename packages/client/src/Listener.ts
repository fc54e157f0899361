import { EventEmitter } from 'node:events';
import {
  type AudioPacket,
  type Connection,
  checkStreamFormat,
  type ProtocolError,
  type StreamFormat,
} from '@kvm-audio/protocol';
import { connect } from './connect.js';
import { Reconnector } from './Reconnector.js';

export type ListenerEvents = {
  /** The stream is there, at first or again. */
  connected: [format: StreamFormat];
  /** The stream's format changed; a packet that was on its way may still be in the old one. */
  format: [format: StreamFormat];
  /** One Opus packet. Its payload is good only until the handler returns. */
  packet: [packet: AudioPacket];
  /** The connection was lost, or could not be made; it is tried again. */
  disconnected: [error: ProtocolError | undefined];
};

export type ListenerOptions = {
  /** Path of input.sock. */
  path: string;
  /** Who listens, for the daemon's log. */
  client: string;
};

/** Hears the host: packets from the input pipeline. Reconnects until it is closed. */
export class Listener extends EventEmitter<ListenerEvents> {
  readonly #options: ListenerOptions;
  readonly #reconnector: Reconnector;
  #connection: Connection | undefined;

  constructor(options: ListenerOptions) {
    super();
    this.#options = options;
    this.#reconnector = new Reconnector(
      (lost) => this.#connect(lost),
      (error) => this.emit('disconnected', error),
    );
    this.#reconnector.start();
  }

  /** Idempotent. */
  close(): void {
    this.#reconnector.stop();
    this.#connection?.end();
  }

  async #connect(lost: (error: ProtocolError | undefined) => void): Promise<void> {
    const { path, client } = this.#options;
    let up = false;
    await connect(
      path,
      { role: 'sink', client },
      {
        onRequest: () => null,
        onNotification: (method, params) => {
          if (method === 'format.changed') this.emit('format', checkStreamFormat(params, method));
        },
        onPacket: (packet) => this.emit('packet', packet),
        onClose: (error) => {
          if (!up || this.#reconnector.stopped) return;
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
        if (stream) this.emit('connected', stream);
      },
    );
  }
}
