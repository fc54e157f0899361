import { rmSync } from 'node:fs';
import { listenUnix, UnixListener } from '@kvm-audio/native-alsa/sys';
import {
  awaitHello,
  Connection,
  type ConnectionHandlers,
  type Hello,
  heapMemory,
  limits,
  type MessageMemory,
  ProtocolError,
  type Role,
} from '@kvm-audio/protocol';
import type { Log } from './log.js';
import { SocketStream } from './SocketStream.js';

export type ListenerOptions = {
  path: string;
  /** Nobody else can listen there: a socket file that is in the way was left by a dead process. */
  replace?: boolean;
  /** Roles that may say hello on this socket. */
  roles: readonly Role[];
  memory?: MessageMemory;
  log: Log;
  /** Decides on a client: the reply to its hello and who handles it. Throws to refuse. */
  onHello(hello: Hello, connection: Connection): { reply: unknown; handlers: ConnectionHandlers };
};

/**
 * A listening Unix socket (mode 0660) whose clients must say hello. Owns their connections until
 * hello; `close` closes all of them, in any state.
 */
export class ClientListener {
  readonly #options: ListenerOptions;
  readonly #connections = new Set<Connection>();
  #listener: UnixListener | undefined;
  readonly #whenEmpty: (() => void)[] = [];

  constructor(options: ListenerOptions) {
    this.#options = options;
  }

  get connections(): number {
    return this.#connections.size;
  }

  /** Binds and listens. @throws SystemError for example EADDRINUSE. */
  listen(): void {
    const { path, replace, log } = this.#options;
    if (replace) rmSync(path, { force: true });
    this.#listener = new UnixListener(
      listenUnix(path),
      (fd) => this.#accept(fd),
      (error) => log.error({ error }, 'accept'),
    );
  }

  /**
   * Stops listening and closes every connection. Resolves when all are closed, which takes a second
   * at most: by then their pooled memory has come home. Idempotent.
   */
  async close(): Promise<void> {
    // A listener that never got the path leaves it to whom it belongs.
    if (this.#listener) rmSync(this.#options.path, { force: true });
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
    const full = this.#connections.size >= limits.clientsMax;
    const gate = awaitHello(
      roles,
      (hello) => {
        const decided = onHello(hello, connection);
        log.debug({ client: hello.client, role: hello.role }, 'client');
        return { ...decided, handlers: this.#forgetting(decided.handlers, connection) };
      },
      () => this.#forget(connection),
    );
    const connection = new Connection(new SocketStream(fd), gate.handlers, memory);
    if (full) {
      const text = `${limits.clientsMax} clients are connected, which is the limit`;
      connection.fail(new ProtocolError('TOO_MANY_CLIENTS', text, { max: limits.clientsMax }));
      return;
    }
    this.#connections.add(connection);
    gate.bind(connection);
  }

  #forgetting(handlers: ConnectionHandlers, connection: Connection): ConnectionHandlers {
    return {
      onRequest: (method, params) => handlers.onRequest(method, params),
      onNotification: (method, params) => handlers.onNotification(method, params),
      onPacket: (packet) => handlers.onPacket(packet),
      onClose: (error) => {
        this.#forget(connection);
        handlers.onClose(error);
      },
    };
  }
}
