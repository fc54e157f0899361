import { type AddonListener, loadAddon } from './addon.js';
import { checked, systemError } from './systemError.js';

/** After a failed accept (no descriptors left, say) the next is tried so much later. */
const retryMs = 100;

/**
 * Binds and listens, without accepting: clients wait in the backlog until somebody does.
 *
 * @param mode of the socket file, from its first moment on.
 * @param backlog clients that may wait; net.core.somaxconn is the system's limit.
 * @returns a descriptor, not blocking, not inherited.
 * @throws SystemError EADDRINUSE where a file of that name exists, EACCES, ENOENT …
 */
export function listenUnix(path: string, mode = 0o660, backlog = 511): number {
  return checked('listen', loadAddon().listenUnix(path, mode, backlog), path);
}

/** Accepts on a listening socket, whoever bound it. Owns the descriptor. */
export class UnixListener {
  readonly #listener: AddonListener;
  #retry: NodeJS.Timeout | undefined;

  /** @param onConnection gets a descriptor, which is its from then on. */
  constructor(
    fd: number,
    onConnection: (fd: number) => void,
    onError: (error: Error) => void = () => undefined,
  ) {
    const { UnixListener: Listener } = loadAddon();
    this.#listener = new Listener(fd, (accepted) => {
      if (accepted >= 0) {
        onConnection(accepted);
        return;
      }
      this.#listener.accepting(false);
      this.#retry = setTimeout(() => this.#listener.accepting(true), retryMs);
      onError(systemError('accept', accepted));
    });
  }

  /** Idempotent. Who waits in the backlog is served by the next that accepts on the same socket. */
  close(): void {
    clearTimeout(this.#retry);
    this.#listener.close();
  }
}
