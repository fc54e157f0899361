import { FolderWatch, type Log } from '@kvm-audio/daemon';
import type { BoundSocket } from './BoundSocket.js';

/**
 * Warns, once a socket, when its file was removed or replaced: who is connected stays, but nobody
 * comes any more, which is else seen by those alone who try.
 */
export class SocketWatch {
  readonly #unlost: Set<BoundSocket>;
  readonly #log: Log;
  readonly #folder: FolderWatch;

  constructor(folder: string, sockets: readonly BoundSocket[], log: Log) {
    this.#unlost = new Set(sockets);
    this.#log = log;
    this.#folder = new FolderWatch([folder], () => this.#look());
  }

  /** Before the sockets are closed. Idempotent. */
  close(): void {
    this.#folder.close();
  }

  #look(): void {
    for (const socket of this.#unlost) {
      if (socket.isReachable) continue;
      this.#unlost.delete(socket);
      this.#log.warn(
        { path: socket.path, pid: process.pid },
        'socket was removed: nobody can connect there until this daemon is stopped and started anew',
      );
    }
  }
}
