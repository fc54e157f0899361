import type { Role } from '@kvm-audio/protocol';
import { ProtocolServer } from './ProtocolServer.js';
import { makeSocketFolder } from './socketFolder.js';

/** Servers for the tests of one file, each on a socket of its own; and what else is to be closed. */
export class ProtocolServers {
  readonly #folder = makeSocketFolder();
  readonly #closers: (() => void)[] = [];
  #sockets = 0;

  /** Where nobody listens yet. */
  path(): string {
    return this.#folder.path(`${this.#sockets++}`);
  }

  async serve(role: Role, path = this.path()): Promise<{ path: string; server: ProtocolServer }> {
    const server = new ProtocolServer(path, [role]);
    await server.listen();
    this.#closers.push(() => server.die());
    return { path, server };
  }

  /** To be closed after the test. */
  closing<T extends { close(): void }>(client: T): T {
    this.#closers.push(() => client.close());
    return client;
  }

  /** After each test. */
  closeAll(): void {
    for (const close of this.#closers) close();
    this.#closers.length = 0;
  }

  /** After all of them. */
  remove(): void {
    this.#folder.remove();
  }
}
