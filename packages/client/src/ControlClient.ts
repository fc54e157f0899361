import type { Connection, ControlMethods, ParamsOf, ResultOf } from '@kvm-audio/protocol';
import { connect } from './connect.js';

export type ControlClientOptions = {
  /** Path of control.sock. */
  path: string;
  /** Who asks, for the daemon's log. */
  client: string;
};

/** Asks the daemon. One connection; it does not reconnect: a question has an answer or an error. */
export class ControlClient {
  readonly #connection: Connection;

  private constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** @throws ProtocolError CONNECTION_CLOSED where no daemon listens on `path`. */
  static async open(options: ControlClientOptions): Promise<ControlClient> {
    const connection = await connect(
      options.path,
      { role: 'control', client: options.client },
      {
        onRequest: () => null,
        onNotification: () => undefined,
        onPacket: () => undefined,
        onClose: () => undefined,
      },
    );
    return new ControlClient(connection);
  }

  /** @throws {ProtocolError} the daemon's error, DEADLINE_EXCEEDED or CONNECTION_CLOSED. */
  async call<M extends keyof ControlMethods & string>(
    method: M,
    params: ParamsOf<ControlMethods, M>,
    deadlineMs?: number,
  ): Promise<ResultOf<ControlMethods, M>> {
    const result = await this.#connection.request(method, params, deadlineMs);
    return result as ResultOf<ControlMethods, M>;
  }

  close(): void {
    this.#connection.end();
  }
}
