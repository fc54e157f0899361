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
 * Connects to a socket and says hello.
 * @throws ProtocolError the server's refusal, or CONNECTION_CLOSED naming the path where nobody
 *   listens on it.
 */
export async function connect(
  path: string,
  hello: Omit<Hello, 'protocol'>,
  handlers: ConnectionHandlers,
): Promise<{ connection: Connection; welcome: Welcome }> {
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
    return { connection, welcome: await sayHello(connection, hello) };
  } catch (error) {
    connection.destroy();
    throw error;
  }
}
