import net from 'node:net';
import { socketPath } from '@kvm-audio/client';
import {
  Connection,
  encodeMessage,
  heapMemory,
  NodeStream,
  type ProtocolError,
  protocolVersion,
  type Role,
  sayHello,
} from '@kvm-audio/protocol';
import { outgoing } from '../helpers/outgoing.js';
import { TestDaemon } from '../helpers/TestDaemon.js';
import { waitFor } from '../helpers/waitFor.js';

describe('a client that does what it should not', () => {
  let daemon: TestDaemon;

  beforeAll(async () => {
    daemon = await TestDaemon.start({ config: { log: { format: 'json' } } });
  });

  afterAll(() => daemon.stop());

  /** Connects without our SDK, says hello, and reads nothing after that. */
  function hello(name: 'input' | 'output', role: Role): net.Socket {
    const socket = net.connect(socketPath(daemon.runtimeFolder, name));
    const params = { protocol: protocolVersion, role, client: `test ${role}` };
    const request = encodeMessage({ kind: 'request', id: 1, method: 'hello', params }, heapMemory);
    socket.on('error', () => undefined);
    socket.pause();
    socket.write(request.buffer.bytes.subarray(0, request.length));
    return socket;
  }

  function logged(msg: string): Record<string, unknown> | undefined {
    const lines = daemon.log.split('\n').filter((line) => line.includes(`"msg":"${msg}"`));
    return lines.map((line) => JSON.parse(line) as Record<string, unknown>).at(-1);
  }

  it('is logged with the reason where it listens and does not read', async () => {
    const socket = hello('input', 'sink');
    try {
      expect(await waitFor('end of the listener', () => logged('listener gone'))).toMatchObject({
        name: 'input',
        client: 'test sink',
        code: 'SLOW_CONSUMER',
        reason: 'nothing was accepted for 5000 ms',
      });
    } finally {
      socket.destroy();
    }
  });

  it('is logged with the reason where it sends what is no message', async () => {
    const socket = hello('output', 'source');
    try {
      await waitFor('source', () => logged('source connected'));
      socket.write(Buffer.alloc(64, 0xff));
      expect(await waitFor('end of the source', () => logged('source gone'))).toMatchObject({
        name: 'output',
        client: 'test source',
        code: 'MESSAGE_TOO_LARGE',
        reason: expect.stringMatching(/./),
      });
    } finally {
      socket.destroy();
    }
  });

  it('is logged without one where it just goes', async () => {
    hello('input', 'sink').end();
    const gone = await waitFor('end of the listener', () => {
      const line = logged('listener gone');
      return line?.code === undefined && line;
    });
    expect(Object.keys(gone)).toEqual(['level', 'time', 'name', 'client', 'msg']);
  });

  async function control(onClose: (error?: ProtocolError) => void): Promise<Connection> {
    const stream = NodeStream.connect(socketPath(daemon.runtimeFolder, 'control'));
    const connection = new Connection(stream, {
      onRequest: () => null,
      onNotification: () => undefined,
      onPacket: () => undefined,
      onClose,
    });
    await stream.connected();
    await sayHello(connection, { role: 'control', client: 'test' });
    return connection;
  }

  it('is refused where it sends audio to the control socket', async () => {
    const refusal = await new Promise<ProtocolError | undefined>((resolve) => {
      void control(resolve).then((open) => open.trySend(outgoing(1, Buffer.alloc(10))));
    });
    expect(refusal).toMatchObject({
      code: 'ROLE_REFUSED',
      message: 'the control socket takes no audio',
    });
  });

  it('is answered where it asks for the quality with nil', async () => {
    const connection = await control(() => undefined);
    try {
      expect(await connection.request('quality.get', null)).toHaveLength(2);
    } finally {
      connection.end();
    }
  });
});
