import { EventEmitter } from 'node:events';
import {
  type Connection,
  type ControlMethods,
  checkHello,
  checkSocketPath,
  limits,
  type ParamsOf,
  ProtocolError,
  type ResultOf,
} from '@kvm-audio/protocol';
import { connect } from './connect.js';
import { orAborted } from './orAborted.js';
import { tell } from './tell.js';

export type ControlClientOptions = {
  /** Path of control.sock: `socketPath(runtimeFolder(), 'control')`. At most 107 bytes. */
  path: string;
  /** Who asks, for the daemon's log. At most 64 bytes. */
  client: string;
  /** Ends the opening; of an open client, aborting it is `close()`. */
  signal?: AbortSignal | undefined;
};

/** Events of a `ControlClient`. What a handler throws is an uncaught error of the process. */
export type ControlClientEvents = {
  /** The connection is gone, whoever closed it; no error where that was as it should be. */
  closed: [error: ProtocolError | undefined];
};

export type CallOptions = {
  /** Longest wait for the answer, in milliseconds, above 0; 5,000 by default. */
  deadlineMs?: number | undefined;
  /** Ends the wait. The daemon does what it was asked all the same. */
  signal?: AbortSignal | undefined;
};

/**
 * Asks the daemon. One connection; it does not reconnect: a question has an answer or an error,
 * and who gets CONNECTION_CLOSED may open another.
 */
export class ControlClient extends EventEmitter<ControlClientEvents> {
  #connection: Connection | undefined;

  private constructor() {
    super();
  }

  /**
   * Connects and says hello, within 3 s.
   *
   * @throws ProtocolError CONNECTION_CLOSED where no daemon listens on `path`; FORBIDDEN where it
   *   may not be opened; DEADLINE_EXCEEDED; PROTOCOL_VERSION, naming both.
   * @throws Error where `path` is longer than 107 bytes; ProtocolError BAD_PARAMS where `client` is.
   * @throws the reason of a signal that is aborted.
   */
  static async open(options: ControlClientOptions): Promise<ControlClient> {
    const { path, client, signal } = options;
    checkSocketPath(path);
    checkHello({ role: 'control', client });
    const control = new ControlClient();
    const close = (): void => control.close();
    const connection = await connect(
      path,
      { role: 'control', client },
      () => ({
        onRequest: () => null,
        onNotification: () => undefined,
        onPacket: () => undefined,
        onClose: (error) => {
          signal?.removeEventListener('abort', close);
          tell(() => control.emit('closed', error));
        },
      }),
      signal,
    );
    control.#connection = connection;
    if (signal?.aborted) control.close();
    if (!control.closed) signal?.addEventListener('abort', close, { once: true });
    return control;
  }

  /** Whether no more can be asked. */
  get closed(): boolean {
    return this.#connection?.closed ?? true;
  }

  /**
   * Asks one question. Up to 64 may wait for their answers at a time.
   *
   * @param method a name of `ControlMethods`.
   * @param params what the method takes; `{}` where it takes nothing.
   * @returns the method's result.
   * @throws ProtocolError the daemon's error; DEADLINE_EXCEEDED; CONNECTION_CLOSED;
   *   TOO_MANY_REQUESTS.
   * @throws RangeError where `deadlineMs` is not above 0.
   * @throws the reason of a signal that is aborted.
   */
  async call<M extends keyof ControlMethods & string>(
    method: M,
    params: ParamsOf<ControlMethods, M>,
    options: CallOptions = {},
  ): Promise<ResultOf<ControlMethods, M>> {
    const { deadlineMs = limits.requestDeadlineMs, signal } = options;
    signal?.throwIfAborted();
    if (!(deadlineMs > 0)) throw new RangeError(`deadlineMs must be above 0, not ${deadlineMs}`);
    if (!this.#connection) throw new ProtocolError('CONNECTION_CLOSED', 'the client is closed');
    const answer = this.#connection.request(method, params, deadlineMs);
    return (await orAborted(answer, signal)) as ResultOf<ControlMethods, M>;
  }

  /** Closes after what was asked is out; questions without an answer end. Idempotent. */
  close(): void {
    this.#connection?.end();
  }
}
