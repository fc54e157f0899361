import { chmodSync, rmSync } from 'node:fs';
import net from 'node:net';
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
  readonly #server: net.Server;
  readonly #whenEmpty: (() => void)[] = [];

  constructor(options: ListenerOptions) {
    this.#options = options;
    this.#server = net.createServer({ pauseOnConnect: true }, (socket) => this.#accept(socket));
  }

  get connections(): number {
    return this.#connections.size;
  }

  /** Binds and listens. Rejects with the system's error, for example EADDRINUSE. */
  listen(): Promise<void> {
    const { path, replace } = this.#options;
    if (replace) rmSync(path, { force: true });
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(path, () => {
        this.#server.off('error', reject);
        this.#server.on('error', (error) => this.#options.log.error({ error }, 'listener'));
        chmodSync(path, 0o660);
        resolve();
      });
    });
  }

  /**
   * Stops listening and closes every connection. Resolves when all are closed, which takes a second
   * at most: by then their pooled memory has come home. Idempotent.
   */
  async close(): Promise<void> {
    const ours = this.#server.listening;
    this.#server.close();
    // A listener that never got the path leaves it to whom it belongs.
    if (ours) rmSync(this.#options.path, { force: true });
    for (const connection of this.#connections) connection.end();
    if (this.#connections.size === 0) return;
    await new Promise<void>((resolve) => this.#whenEmpty.push(resolve));
  }

  #forget(connection: Connection): void {
    this.#connections.delete(connection);
    if (this.#connections.size > 0) return;
    for (const resolve of this.#whenEmpty.splice(0)) resolve();
  }

  #accept(socket: net.Socket): void {
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
    const connection = new Connection({ accepted: socket }, gate.handlers, memory);
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
