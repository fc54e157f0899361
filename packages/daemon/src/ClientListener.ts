import { type Peer, peerOf, UnixListener } from '@kvm-audio/native-alsa/sys';
import {
  awaitHello,
  Connection,
  type ConnectionHandlers,
  type Hello,
  heapMemory,
  limits,
  type MessageMemory,
  type PipelineReport,
  ProtocolError,
  type Role,
} from '@kvm-audio/protocol';
import type { Log } from './LogRecord.js';
import { SocketStream } from './SocketStream.js';

export type ListenerOptions = {
  /** A listening socket; this listener's own from `listen` on. */
  fd: number;
  /** Roles that may say hello on this socket. */
  roles: readonly Role[];
  memory?: MessageMemory;
  log: Log;
  /** Whether this user may be a client at all. @returns what it is told where it may not. */
  refuse?(peer: Peer): ProtocolError | undefined;
  /** Decides on a client: the reply to its hello and who handles it. Throws to refuse. */
  onHello(
    hello: Hello,
    connection: Connection,
    peer: Peer,
  ): { reply: unknown; handlers: ConnectionHandlers };
};

/**
 * Serves a listening Unix socket whose clients must say hello. Owns their connections until hello;
 * `close` closes all of them, in any state. The socket's file belongs to whoever bound it.
 */
export class ClientListener {
  readonly #options: ListenerOptions;
  readonly #connections = new Set<Connection>();
  #listener: UnixListener | undefined;
  #connectionsRefused = 0;
  #connectionDrops = 0;
  readonly #whenEmpty: (() => void)[] = [];

  constructor(options: ListenerOptions) {
    this.#options = options;
  }

  get connections(): number {
    return this.#connections.size;
  }

  /** See `PipelineReport`. */
  counts(): Pick<PipelineReport, 'connectionsRefused' | 'connectionDrops'> {
    const connectionsRefused = this.#connectionsRefused;
    return { connectionsRefused, connectionDrops: this.#connectionDrops };
  }

  /** Accepts clients from now on, those first who wait already. */
  listen(): void {
    const { fd, log } = this.#options;
    this.#listener = new UnixListener(
      fd,
      (accepted) => this.#accept(accepted),
      (error) => log.error({ error }, 'accept'),
    );
  }

  /**
   * Accepts no more and closes every connection. Resolves when all are closed, which takes a second
   * at most: by then their pooled memory has come home. Idempotent.
   */
  async close(): Promise<void> {
    this.#listener?.close();
    this.#listener = undefined;
    for (const connection of this.#connections) connection.end();
    if (this.#connections.size === 0) return;
    await new Promise<void>((resolve) => this.#whenEmpty.push(resolve));
  }

  #forget(connection: Connection): void {
    this.#connections.delete(connection);
    if (this.#connections.size > 0) return;
    for (const resolve of this.#whenEmpty.splice(0)) resolve();
  }

  #accept(fd: number): void {
    const { roles, memory = heapMemory, onHello, log } = this.#options;
    const peer = peerOf(fd);
    const refusal = this.#refusal(peer);
    const gate = awaitHello(
      roles,
      (hello) => {
        const decided = onHello(hello, connection, peer);
        log.debug({ client: hello.client, role: hello.role, pid: peer.pid }, 'client');
        return { ...decided, handlers: this.#forgetting(decided.handlers, connection) };
      },
      () => this.#forget(connection),
    );
    const connection = new Connection(new SocketStream(fd), gate.handlers, memory);
    if (refusal) {
      this.#connectionsRefused += 1;
      connection.fail(refusal);
      return;
    }
    this.#connections.add(connection);
    gate.bind(connection);
  }

  #refusal(peer: Peer): ProtocolError | undefined {
    const refusal = this.#options.refuse?.(peer);
    if (refusal || this.#connections.size < limits.clientsMax) return refusal;
    const text = `${limits.clientsMax} clients are connected, which is the limit`;
    return new ProtocolError('TOO_MANY_CLIENTS', text, { max: limits.clientsMax });
  }

  #forgetting(handlers: ConnectionHandlers, connection: Connection): ConnectionHandlers {
    return {
      onRequest: (method, params) => handlers.onRequest(method, params),
      onNotification: (method, params) => handlers.onNotification(method, params),
      onPacket: (packet) => handlers.onPacket(packet),
      onClose: (error) => {
        this.#forget(connection);
        if (error) this.#connectionDrops += 1;
        handlers.onClose(error);
      },
    };
  }
}
