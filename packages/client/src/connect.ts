import {
  Connection,
  type ConnectionHandlers,
  checkSocketPath,
  type Hello,
  NodeStream,
  ProtocolError,
  sayHello,
  type Welcome,
} from '@kvm-audio/protocol';

/**
 * Connects to a socket and says hello. `onWelcome` is called before anything that follows the
 * welcome on the wire.
 *
 * @throws ProtocolError the server's refusal; CONNECTION_CLOSED naming the path where nobody
 *   listens on it, FORBIDDEN where it may not be opened.
 */
export async function connect(
  path: string,
  hello: Omit<Hello, 'protocol'>,
  handlers: ConnectionHandlers,
  onWelcome?: (welcome: Welcome, connection: Connection) => void,
): Promise<Connection> {
  checkSocketPath(path);
  const stream = NodeStream.connect(path);
  const connection = new Connection(stream, handlers);
  try {
    await stream.connected();
  } catch (error) {
    connection.destroy();
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    const denied = code === 'EACCES' || code === 'EPERM';
    throw denied
      ? new ProtocolError('FORBIDDEN', `no permission to connect to ${path} (${code})`, { code })
      : new ProtocolError('CONNECTION_CLOSED', `nobody answers on ${path} (${code})`, { code });
  }
  try {
    await sayHello(connection, hello, (welcome) => onWelcome?.(welcome, connection));
    return connection;
  } catch (error) {
    connection.destroy();
    throw error;
  }
}
