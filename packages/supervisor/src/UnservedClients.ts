import { ClientListener, type Log } from '@kvm-audio/daemon';
import { duplicateFd } from '@kvm-audio/native-alsa/sys';
import type { ProtocolError, Role } from '@kvm-audio/protocol';

/** A client waits so long for a pipeline to accept it; then it is told that none does. */
const patienceMs = 2_000;

/**
 * Answers the clients of a pipeline that is not there: while one restarts they wait in the
 * backlog, and only where that takes long does the supervisor accept them, to say why.
 */
export class UnservedClients {
  readonly #fd: number;
  readonly #role: Role;
  readonly #log: Log;
  readonly #why: () => ProtocolError;
  #timer: NodeJS.Timeout | undefined;
  #listener: ClientListener | undefined;

  /**
   * @param fd the listening socket, which stays its owner's.
   * @param why what each client is told.
   */
  constructor(fd: number, role: Role, log: Log, why: () => ProtocolError) {
    this.#fd = fd;
    this.#role = role;
    this.#log = log;
    this.#why = why;
  }

  /** No process accepts on the socket. Idempotent. */
  begin(): void {
    if (this.#listener) return;
    this.#timer ??= setTimeout(() => this.#answer(), patienceMs);
  }

  /** A process accepts again. Idempotent. */
  end(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    void this.#listener?.close();
    this.#listener = undefined;
  }

  #answer(): void {
    this.#listener = new ClientListener({
      fd: duplicateFd(this.#fd),
      roles: [this.#role],
      log: this.#log,
      onHello: () => {
        throw this.#why();
      },
    });
    this.#listener.listen();
  }
}
