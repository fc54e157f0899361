import { setTimeout as pause } from 'node:timers/promises';
import {
  Connection,
  type ConnectionHandlers,
  type Hello,
  limits,
  NodeStream,
  ProtocolError,
  sayHello,
  type Welcome,
} from '@kvm-audio/protocol';
import { orAborted } from './orAborted.js';

/**
 * Decides on a welcome: who handles the connection from then on, beginning with what follows the
 * welcome on the wire. Throws to refuse.
 */
export type OnWelcome = (welcome: Welcome, connection: Connection) => ConnectionHandlers;

/** Nobody hears of a connection that was never welcomed, but for who waits for `connect`. */
const nobody: ConnectionHandlers = {
  onRequest: () => null,
  onNotification: () => undefined,
  onPacket: () => undefined,
  onClose: () => undefined,
};

/** The server is there, and accepts too slowly at this moment. */
const queueFullRetryMs = 5;

/**
 * Connects to a socket and says hello, within `limits.helloDeadlineMs`. A server whose queue of
 * connections is full is asked again and again in that time.
 *
 * @throws ProtocolError the server's refusal; CONNECTION_CLOSED naming the path where nobody
 *   listens on it; FORBIDDEN where it may not be opened; DEADLINE_EXCEEDED.
 * @throws the signal's reason.
 */
export async function connect(
  path: string,
  hello: Omit<Hello, 'protocol'>,
  onWelcome: OnWelcome,
  signal?: AbortSignal,
): Promise<Connection> {
  const deadlineMs = performance.now() + limits.helloDeadlineMs;
  for (;;) {
    signal?.throwIfAborted();
    const stream = NodeStream.connect(path);
    const connection = new Connection(stream, nobody);
    try {
      await orAborted(stream.connected(), signal);
      const answer = sayHello(connection, hello, (welcome) => {
        connection.handlers = onWelcome(welcome, connection);
      });
      await orAborted(answer, signal);
      return connection;
    } catch (error) {
      connection.destroy();
      const code = (error as NodeJS.ErrnoException | undefined)?.code;
      if (code !== 'EAGAIN' || performance.now() > deadlineMs) throw explained(error, path);
    }
    await orAborted(pause(queueFullRetryMs), signal);
  }
}

/** A system's error as one of the protocol's; others as they are. */
function explained(error: unknown, path: string): unknown {
  const { syscall, code } = (error ?? {}) as NodeJS.ErrnoException;
  if (syscall === undefined) return error;
  if (code === 'EACCES' || code === 'EPERM') {
    return new ProtocolError('FORBIDDEN', `no permission to connect to ${path} (${code})`, {
      code,
    });
  }
  if (code === 'EAGAIN') {
    const text = `${path} accepts no connection in ${limits.helloDeadlineMs} ms (${code})`;
    return new ProtocolError('DEADLINE_EXCEEDED', text, { code });
  }
  return new ProtocolError('CONNECTION_CLOSED', `nobody answers on ${path} (${code})`, { code });
}
