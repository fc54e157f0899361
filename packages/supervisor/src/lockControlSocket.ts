import { rmSync } from 'node:fs';
import net from 'node:net';
import { type ClientListener, exitCodes, FatalError } from '@kvm-audio/daemon';

function errorCode(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}

/** Whether somebody listens on this socket. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = net.connect({ path });
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    // A full backlog (EAGAIN) is somebody who is slow, not nobody.
    probe.once('error', (error) => {
      const code = errorCode(error);
      resolve(code !== 'ECONNREFUSED' && code !== 'ENOENT');
    });
  });
}

/**
 * Binds the control socket, which is the lock too: one daemon a runtime folder. A socket file that
 * nobody listens on was left by a daemon that was killed, and is replaced.
 * @throws FatalError naming the socket where a daemon runs already.
 */
export async function lockControlSocket(listener: ClientListener, path: string): Promise<void> {
  try {
    await listener.listen();
    return;
  } catch (error) {
    if (errorCode(error) !== 'EADDRINUSE') {
      const why = errorCode(error) ?? String(error);
      throw new FatalError(exitCodes.runtimeFolder, `cannot listen on ${path} (${why})`);
    }
  }
  if (await answers(path)) {
    throw new FatalError(exitCodes.alreadyRunning, `a daemon runs already: it answers on ${path}`);
  }
  rmSync(path, { force: true });
  await listener.listen();
}
