import {
  Connection,
  type ConnectionHandlers,
  checkSocketPath,
  type Hello,
  ProtocolError,
  sayHello,
  type Welcome,
} from '@kvm-audio/protocol';

/**
 * Connects to a socket and says hello. `onWelcome` is called before anything that follows the
 * welcome on the wire.
 *
 * @throws ProtocolError the server's refusal, or CONNECTION_CLOSED naming the path where nobody
 *   listens on it.
 */
export async function connect(
  path: string,
  hello: Omit<Hello, 'protocol'>,
  handlers: ConnectionHandlers,
  onWelcome?: (welcome: Welcome, connection: Connection) => void,
): Promise<Connection> {
  checkSocketPath(path);
  const connection = new Connection({ path }, handlers);
  try {
    await connection.connected();
  } catch (error) {
    connection.destroy();
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new ProtocolError('CONNECTION_CLOSED', `nobody answers on ${path} (${code})`, { code });
  }
  try {
    await sayHello(connection, hello, (welcome) => onWelcome?.(welcome, connection));
    return connection;
  } catch (error) {
    connection.destroy();
    throw error;
  }
}
