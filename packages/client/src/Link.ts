import {
  type Connection,
  type ConnectionHandlers,
  checkHello,
  checkSocketPath,
  type clientNotices,
  type Hello,
  type NoticeOf,
  ProtocolError,
  type ReceivedPacket,
  readNotice,
  type StreamFormat,
  serverNotices,
  type Welcome,
} from '@kvm-audio/protocol';
import { connect } from './connect.js';
import { orAborted } from './orAborted.js';
import { Reconnector } from './Reconnector.js';

export type ServerNotice = NoticeOf<typeof serverNotices>;

/** What a link tells its owner, in the order of the wire. None of them throws. */
export interface LinkHandlers {
  /** Welcome, at first or again; packets and notifications follow. `server` is its process id. */
  onUp(connection: Connection, format: StreamFormat, server: number): void;
  onNotice(notice: ServerNotice): void;
  /** `packet` is good only until this returns. */
  onPacket(packet: ReceivedPacket): void;
  /** Lost, or not to be had; tried again after `retryMs`. */
  onDown(error: ProtocolError | undefined, retryMs: number): void;
  /** Once, the last. */
  onClosed(): void;
}

/** How a wait ends before what is waited for has come. */
export type WaitOptions = {
  /** Ends the wait with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Ends the wait with DEADLINE_EXCEEDED after so many milliseconds; none by default. */
  deadlineMs?: number | undefined;
};

type Waiter = { resolve(format: StreamFormat): void; reject(error: unknown): void };

/**
 * One connection to a data socket that is made again whenever it is lost, until it is closed or
 * aborted. The listener and the talker each own one.
 */
export class Link {
  readonly #path: string;
  readonly #hello: Omit<Hello, 'protocol'>;
  readonly #handlers: LinkHandlers;
  readonly #signal: AbortSignal | undefined;
  readonly #abort = new AbortController();
  readonly #reconnector = new Reconnector(() => void this.#try());
  readonly #waiters = new Set<Waiter>();
  readonly #close = (): void => this.close();
  #closed = false;
  #connection: Connection | undefined;
  #format: StreamFormat | undefined;

  /**
   * @throws Error where the path is too long for a socket.
   * @throws ProtocolError BAD_PARAMS where the hello would be refused.
   */
  constructor(
    path: string,
    hello: Omit<Hello, 'protocol'>,
    signal: AbortSignal | undefined,
    handlers: LinkHandlers,
  ) {
    checkSocketPath(path);
    checkHello(hello);
    this.#path = path;
    this.#hello = hello;
    this.#handlers = handlers;
    this.#signal = signal;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** While there is one. */
  get connection(): Connection | undefined {
    return this.#connection?.closed ? undefined : this.#connection;
  }

  /** The stream's format as it was last told; undefined before the first welcome. */
  get format(): StreamFormat | undefined {
    return this.#format;
  }

  /** The first try. */
  start(): void {
    if (this.#signal?.aborted) {
      this.close();
      return;
    }
    this.#signal?.addEventListener('abort', this.#close, { once: true });
    this.#reconnector.start();
  }

  /** @returns false where there is no connection. */
  notify(method: keyof typeof clientNotices, params: unknown): boolean {
    const { connection } = this;
    connection?.notify(method, params);
    return connection !== undefined;
  }

  /** For good: what was written goes out, nothing is tried again. Idempotent. */
  close(): void {
    if (this.closed) return;
    this.#signal?.removeEventListener('abort', this.#close);
    this.#reconnector.stop();
    this.#closed = true;
    this.#abort.abort();
    this.#connection?.end();
    const error = new ProtocolError('CONNECTION_CLOSED', 'the client was closed');
    for (const { reject } of this.#waiters) reject(this.#signal?.reason ?? error);
    this.#waiters.clear();
    this.#handlers.onClosed();
  }

  /** See `Listener.connected`. */
  async connected({ signal, deadlineMs }: WaitOptions = {}): Promise<StreamFormat> {
    signal?.throwIfAborted();
    if (this.connection && this.#format) return this.#format;
    if (this.closed) throw new ProtocolError('CONNECTION_CLOSED', 'the client is closed');
    let waiter: Waiter | undefined;
    let timer: NodeJS.Timeout | undefined;
    const up = new Promise<StreamFormat>((resolve, reject) => {
      waiter = { resolve, reject };
      this.#waiters.add(waiter);
      if (deadlineMs === undefined) return;
      const text = `no connection to ${this.#path} in ${deadlineMs} ms`;
      const late = (): void => reject(new ProtocolError('DEADLINE_EXCEEDED', text));
      timer = setTimeout(late, deadlineMs);
    });
    try {
      return await orAborted(up, signal);
    } finally {
      clearTimeout(timer);
      if (waiter) this.#waiters.delete(waiter);
    }
  }

  async #try(): Promise<void> {
    const { signal } = this.#abort;
    const welcomed = (welcome: Welcome, connection: Connection): ConnectionHandlers =>
      this.#onWelcome(welcome, connection);
    try {
      await connect(this.#path, this.#hello, welcomed, signal);
    } catch (error) {
      // Once welcome, a connection's end is told by its onClose.
      if (!this.closed && !this.#connection) this.#onFailure(ProtocolError.from(error));
    }
  }

  #onWelcome({ stream, server }: Welcome, connection: Connection): ConnectionHandlers {
    if (!stream) throw new ProtocolError('MALFORMED_MESSAGE', 'a welcome without a stream');
    this.#connection = connection;
    this.#format = stream;
    this.#reconnector.up();
    this.#handlers.onUp(connection, stream, server.pid);
    for (const { resolve } of this.#waiters) resolve(stream);
    return {
      onRequest: () => null,
      onNotification: (method, params) => this.#onNotification(method, params),
      onPacket: (packet) => {
        if (!this.closed) this.#handlers.onPacket(packet);
      },
      onClose: (error) => this.#onLost(error),
    };
  }

  #onNotification(method: string, params: unknown): void {
    const notice = this.closed ? undefined : readNotice(serverNotices, method, params);
    if (!notice) return;
    if (notice.method === 'format.changed') this.#format = notice.params;
    this.#handlers.onNotice(notice);
  }

  #onLost(error: ProtocolError | undefined): void {
    this.#connection = undefined;
    if (!this.closed) this.#handlers.onDown(error, this.#reconnector.lost());
  }

  #onFailure(error: ProtocolError): void {
    const retryMs = this.#reconnector.failed(error.retryable);
    if (!error.retryable) for (const { reject } of this.#waiters) reject(error);
    this.#handlers.onDown(error, retryMs);
  }
}
