import {
  Connection,
  NodeStream,
  type ProtocolError,
  type Role,
  sayHello,
} from '@kvm-audio/protocol';
import { waitFor } from './waitFor.js';

/** One connection as the protocol has it: no reconnecting, all that is told is kept. */
export class RawClient {
  readonly connection: Connection;
  readonly notices: string[] = [];
  packets = 0;
  /** The error of its close, if any; undefined until then. */
  closed: { error: ProtocolError | undefined } | undefined;

  constructor(path: string) {
    this.connection = new Connection(NodeStream.connect(path), {
      onRequest: () => null,
      onNotification: (method) => this.notices.push(method),
      onPacket: () => {
        this.packets += 1;
      },
      onClose: (error) => {
        this.closed = { error };
      },
    });
  }

  /** Connects and says hello; the client is given also where it was refused. */
  static async greet(path: string, role: Role, takeover = false): Promise<RawClient> {
    const client = new RawClient(path);
    await sayHello(client.connection, { role, client: 'raw', takeover });
    return client;
  }

  /** @returns the error that it was closed with, or nothing. */
  async end(): Promise<ProtocolError | undefined> {
    return (await waitFor('close', () => this.closed)).error;
  }
}
