import { spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { ProtocolServers } from '../../../test/helpers/ProtocolServers.js';
import { until } from '../../../test/helpers/until.js';
import { connect } from './connect.js';

const servers = new ProtocolServers();
afterEach(() => servers.closeAll());
afterAll(() => servers.remove());

const dull = () => ({
  onRequest: () => null,
  onNotification: () => undefined,
  onPacket: () => undefined,
  onClose: () => undefined,
});

/** Listens in a process of its own with room for a connection or two that it has not accepted. */
const crampedServer = `
  const server = require('node:net').createServer((socket) => socket.destroy());
  server.listen({ path: process.argv[1], backlog: 1 }, () => console.log('listening'));
`;

/** Sockets that wait to be accepted, as many as the server's queue holds. */
async function fill(path: string): Promise<net.Socket[]> {
  const waiting: net.Socket[] = [];
  for (;;) {
    const socket = net.connect(path);
    const [error] = await Promise.race([
      once(socket, 'connect').then(() => [undefined]),
      new Promise<[Error]>((resolve) => socket.once('error', (error) => resolve([error]))),
    ]);
    if (error) {
      expect(error).toMatchObject({ code: 'EAGAIN' });
      return waiting;
    }
    socket.on('error', () => undefined);
    waiting.push(socket);
  }
}

describe('a connect to a server that says nothing', () => {
  test('fails 3 s after its hello', async () => {
    const path = servers.path();
    let heard = 0;
    const server = net.createServer((socket) => {
      socket.on('data', (bytes) => {
        heard += bytes.length;
      });
    });
    servers.closing(server);
    await new Promise<void>((resolve) => server.listen(path, resolve));
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] });
    try {
      const failures: unknown[] = [];
      const failed = connect(path, { role: 'sink', client: 'test' }, dull).catch((error) =>
        failures.push(error),
      );
      await until(() => heard > 0);
      await jest.advanceTimersByTimeAsync(2_999);
      expect(failures).toEqual([]);
      await jest.advanceTimersByTimeAsync(1);
      await failed;
      expect(failures).toEqual([expect.objectContaining({ code: 'DEADLINE_EXCEEDED' })]);
    } finally {
      jest.useRealTimers();
    }
  });
});

describe('a connect to a server whose queue is full', () => {
  test('is tried until there is room, and is over with its signal', async () => {
    const path = servers.path();
    const child = spawn(process.execPath, ['-e', crampedServer, path], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      await once(child.stdout, 'data');
      child.kill('SIGSTOP');
      const waiting = await fill(path);
      const stop = new AbortController();
      const hello = { role: 'sink', client: 'test' } as const;
      const given = connect(path, hello, dull, stop.signal);
      const waited = connect(path, hello, dull);
      const refusal = expect(waited).rejects.toMatchObject({
        code: 'CONNECTION_CLOSED',
        // By the server, once it has accepted it.
        message: expect.stringMatching(/^the connection (is closed|broke)/),
      });
      await new Promise((resolve) => setImmediate(resolve));
      stop.abort(new Error('enough'));
      await expect(given).rejects.toThrow('enough');
      child.kill('SIGCONT');
      await refusal;
      for (const socket of waiting) socket.destroy();
    } finally {
      child.kill('SIGKILL');
    }
  });
});
