import { type BigIntStats, closeSync, lstatSync, rmSync } from 'node:fs';
import { exitCodes, FatalError } from '@kvm-audio/daemon';
import { listenUnix } from '@kvm-audio/native-alsa/sys';

/** The group may connect; whoever may, is asked for by name once it has. */
const socketModes = { group: 0o660, everybody: 0o666 };

/**
 * A socket file that is listened on, by whichever process accepts on `fd`: clients wait in its
 * backlog until one does. Made under the runtime folder's lock, so that a file which is in the way
 * was left by a daemon that was killed, and is replaced.
 */
export class BoundSocket {
  readonly path: string;
  readonly fd: number;
  readonly #file: BigIntStats | undefined;
  #closed = false;

  /**
   * @param open users outside of the daemon's group may connect too.
   * @throws FatalError naming the path and the system's error.
   */
  constructor(path: string, open: boolean) {
    this.path = path;
    try {
      rmSync(path, { force: true });
      this.fd = listenUnix(path, open ? socketModes.everybody : socketModes.group);
      this.#file = fileAt(path);
    } catch (error) {
      const why = (error as NodeJS.ErrnoException).code ?? String(error);
      throw new FatalError(exitCodes.runtimeFolder, `cannot listen on ${path} (${why})`);
    }
  }

  /** Who connects to the path comes here: its file was not removed, nor is another's there. */
  get isReachable(): boolean {
    const there = fileAt(this.path);
    return there !== undefined && there.ino === this.#file?.ino && there.dev === this.#file.dev;
  }

  /**
   * Removes the file, but not that of another daemon, which has made the folder anew; whoever waits
   * in the backlog is refused. Idempotent.
   */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.isReachable) rmSync(this.path, { force: true });
    closeSync(this.fd);
  }
}

function fileAt(path: string): BigIntStats | undefined {
  try {
    return lstatSync(path, { bigint: true });
  } catch {
    return undefined;
  }
}
