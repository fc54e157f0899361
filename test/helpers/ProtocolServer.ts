import net from 'node:net';
import {
  awaitHello,
  Connection,
  type Hello,
  NodeStream,
  type ProtocolError,
  type Role,
  type StreamFormat,
  welcome,
} from '@kvm-audio/protocol';

export const testFormat: StreamFormat = {
  codec: 'opus',
  level: 'medium',
  rate: 48_000,
  channels: 2,
  frameMs: 10,
  bitrate: 96_000,
  application: 'audio',
  maxPacketBytes: 4_096,
  lookaheadSamples: 312,
  clock: 'monotonic',
};

/** A server of the protocol for tests of clients: greets everybody, keeps what it hears. */
export class ProtocolServer {
  readonly hellos: Hello[] = [];
  /** Those that said hello, in order; closed ones too. */
  readonly clients: Connection[] = [];
  readonly packets: { seq: number; mediaTime: number; flags: number; payload: number[] }[] = [];
  readonly notices: [method: string, params: unknown][] = [];
  /** Process id that it tells: another one is a restarted server. */
  pid = process.pid;
  /** Set to refuse a hello. */
  refusal: ProtocolError | undefined;
  onRequest: (method: string, params: unknown) => unknown = () => null;
  readonly #roles: readonly Role[];
  readonly #path: string;
  readonly #open = new Set<Connection>();
  #server: net.Server | undefined;

  constructor(path: string, roles: readonly Role[]) {
    this.#path = path;
    this.#roles = roles;
  }

  async listen(): Promise<void> {
    const server = net.createServer({ pauseOnConnect: true }, (socket) => this.#accept(socket));
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(this.#path, resolve));
  }

  /** As a process that dies: nobody is told. */
  die(): void {
    this.#server?.close();
    for (const connection of this.#open) connection.destroy();
  }

  #accept(socket: net.Socket): void {
    const gate = awaitHello(
      this.#roles,
      (hello) => {
        this.hellos.push(hello);
        if (this.refusal) throw this.refusal;
        this.clients.push(connection);
        const reply = welcome({ name: 'test', version: '0' }, testFormat);
        return {
          reply: { ...reply, server: { ...reply.server, pid: this.pid } },
          handlers: {
            onRequest: (method, params) => this.onRequest(method, params),
            onNotification: (method, params) => this.notices.push([method, params]),
            onPacket: ({ seq, mediaTime, flags, payload }) => {
              this.packets.push({ seq, mediaTime, flags, payload: [...payload] });
            },
            onClose: () => this.#open.delete(connection),
          },
        };
      },
      () => this.#open.delete(connection),
    );
    const connection = new Connection(NodeStream.accepted(socket), gate.handlers);
    this.#open.add(connection);
    gate.bind(connection);
  }
}
