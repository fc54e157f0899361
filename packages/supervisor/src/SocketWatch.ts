import { FolderWatch, type Log } from '@kvm-audio/daemon';
import type { BoundSocket } from './BoundSocket.js';

/** It is said again so often while it lasts: the first line may be out of the log by then. */
const againMs = 600_000;

/**
 * Warns when a socket's file was removed or replaced, and now and then for as long as it is: who is
 * connected stays, but nobody comes any more, which is else seen by those alone who try.
 */
export class SocketWatch {
  readonly #sockets: readonly BoundSocket[];
  readonly #lost = new Set<BoundSocket>();
  readonly #log: Log;
  readonly #folder: FolderWatch;
  #timer: NodeJS.Timeout | undefined;

  constructor(folder: string, sockets: readonly BoundSocket[], log: Log) {
    this.#sockets = sockets;
    this.#log = log;
    this.#folder = new FolderWatch([folder], () => this.#look());
  }

  /** Before the sockets are closed. Idempotent. */
  close(): void {
    this.#folder.close();
    clearInterval(this.#timer);
  }

  #look(): void {
    for (const socket of this.#sockets) {
      if (socket.isReachable) this.#lost.delete(socket);
      else if (!this.#lost.has(socket)) this.#warnOf(socket);
    }
  }

  #lookAgain(): void {
    // The folder may have gone too, and its watch with it.
    this.#lost.clear();
    this.#look();
  }

  #warnOf(socket: BoundSocket): void {
    this.#lost.add(socket);
    this.#timer ??= setInterval(() => this.#lookAgain(), againMs).unref();
    this.#log.warn(
      { path: socket.path, pid: process.pid },
      'socket was removed: nobody can connect there until this daemon is stopped and started anew',
    );
  }
}
