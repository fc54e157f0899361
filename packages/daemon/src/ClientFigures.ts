import { type ClientReport, type Connection, clientNotices, readNotice } from '@kvm-audio/protocol';

/** What the clients of a pipeline tell of themselves: the newest of each. */
export class ClientFigures {
  readonly #newest = new Map<Connection, ClientReport>();

  /**
   * For the connection's `onNotification`. What is no figures is left alone: a newer client may
   * tell more.
   * @throws ProtocolError BAD_PARAMS, naming the field.
   */
  onNotification(connection: Connection, client: string, method: string, params: unknown): void {
    const notice = readNotice(clientNotices, method, params);
    if (notice) this.#newest.set(connection, { client, ...notice.params });
  }

  forget(connection: Connection): void {
    this.#newest.delete(connection);
  }

  list(): ClientReport[] {
    return [...this.#newest.values()];
  }
}
