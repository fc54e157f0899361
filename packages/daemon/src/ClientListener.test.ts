import { existsSync, statSync, writeFileSync } from 'node:fs';
import {
  Connection,
  type ConnectionHandlers,
  type Hello,
  limits,
  NodeStream,
  ProtocolError,
  sayHello,
  welcome,
} from '@kvm-audio/protocol';
import { makeSocketFolder } from '../../../test/helpers/socketFolder.js';
import { until } from '../../../test/helpers/until.js';
import { ClientListener } from './ClientListener.js';
import { createLog } from './log.js';

const folder = makeSocketFolder();
const reply = welcome({ name: 'test', version: '0' }, null);
let sockets = 0;
const open: { destroy(): void }[] = [];
const listeners: ClientListener[] = [];
afterEach(() => {
  for (const listener of listeners) listener.close();
  for (const end of open) end.destroy();
  listeners.length = 0;
  open.length = 0;
});
afterAll(() => folder.remove());

type Bench = {
  path: string;
  listener: ClientListener;
  hellos: Hello[];
  closes: (ProtocolError | undefined)[];
};

async function listening(
  refuse?: ProtocolError,
  path = folder.path(`${sockets++}`),
): Promise<Bench> {
  const hellos: Hello[] = [];
  const closes: (ProtocolError | undefined)[] = [];
  const handlers: ConnectionHandlers = {
    onRequest: (_, params) => params,
    onNotification: () => undefined,
    onPacket: () => undefined,
    onClose: (error) => closes.push(error),
  };
  const listener = new ClientListener({
    path,
    roles: ['sink'],
    log: createLog('test', 'error', () => undefined),
    onHello: (hello) => {
      hellos.push(hello);
      if (refuse) throw refuse;
      return { reply, handlers };
    },
  });
  listeners.push(listener);
  listener.listen();
  return { path, listener, hellos, closes };
}

type Client = { connection: Connection; closes: (ProtocolError | undefined)[] };

async function connected(path: string): Promise<Client> {
  const closes: (ProtocolError | undefined)[] = [];
  const stream = NodeStream.connect(path);
  const connection = new Connection(stream, {
    onRequest: () => null,
    onNotification: () => undefined,
    onPacket: () => undefined,
    onClose: (error) => closes.push(error),
  });
  open.push(connection);
  await stream.connected();
  return { connection, closes };
}

const hello = { role: 'sink', client: 'kvm' } as const;

describe('a client listener', () => {
  test('listens on a socket that the group may use and others may not', async () => {
    const { path } = await listening();
    expect(statSync(path).mode & 0o777).toBe(0o660);
    expect(statSync(path).isSocket()).toBe(true);
  });

  test('hands a client that said hello to its handlers, and tells them of its end', async () => {
    const { path, hellos, closes, listener } = await listening();
    const { connection } = await connected(path);
    await expect(sayHello(connection, hello)).resolves.toEqual(reply);
    expect(hellos).toEqual([{ protocol: 1, ...hello }]);
    await expect(connection.request('echo', [1])).resolves.toEqual([1]);
    expect(listener.connections).toBe(1);
    connection.end();
    await until(() => closes.length === 1 && listener.connections === 0);
  });

  test('forgets a client that goes before its hello', async () => {
    const { path, listener, closes } = await listening();
    const { connection } = await connected(path);
    await until(() => listener.connections === 1);
    connection.destroy();
    await until(() => listener.connections === 0);
    expect(closes).toEqual([]);
  });

  test('tells a client why it is refused, and forgets it', async () => {
    const taken = new ProtocolError('AUDIO_ALREADY_RUNNING', 'taken');
    const { path, listener } = await listening(taken);
    const { connection, closes } = await connected(path);
    await expect(sayHello(connection, hello)).rejects.toMatchObject({
      code: 'AUDIO_ALREADY_RUNNING',
    });
    await until(() => closes.length === 1 && listener.connections === 0);
  });

  test('refuses one client over the limit, and takes it when another has gone', async () => {
    const { path, listener } = await listening();
    const clients = await Promise.all(
      Array.from({ length: limits.clientsMax }, () => connected(path)),
    );
    await until(() => listener.connections === limits.clientsMax);
    const over = await connected(path);
    await until(() => over.closes.length === 1);
    expect(over.closes[0]).toMatchObject({
      code: 'TOO_MANY_CLIENTS',
      data: { max: limits.clientsMax },
      retryable: true,
    });
    expect(listener.connections).toBe(limits.clientsMax);
    clients[0]?.connection.destroy();
    await until(() => listener.connections === limits.clientsMax - 1);
    const next = await connected(path);
    await expect(sayHello(next.connection, hello)).resolves.toEqual(reply);
  });

  test('closes every client, with and without a hello, and removes its socket', async () => {
    const { path, listener, closes } = await listening();
    const greeted = await connected(path);
    await sayHello(greeted.connection, hello);
    const silent = await connected(path);
    await until(() => listener.connections === 2);
    listener.close();
    listener.close();
    await until(() => greeted.closes.length === 1 && silent.closes.length === 1);
    await until(() => listener.connections === 0);
    expect(closes).toEqual([undefined]);
    expect(existsSync(path)).toBe(false);
  });

  test('rejects where somebody listens already, or a file is in the way', async () => {
    const { path } = await listening();
    await expect(listening(undefined, path)).rejects.toMatchObject({ code: 'EADDRINUSE' });
    const file = folder.path('file');
    writeFileSync(file, '');
    await expect(listening(undefined, file)).rejects.toMatchObject({ code: 'EADDRINUSE' });
  });

  test('that did not get its path leaves it to whom it belongs', async () => {
    const { path } = await listening();
    await expect(listening(undefined, path)).rejects.toMatchObject({ code: 'EADDRINUSE' });
    listeners[1]?.close();
    const { connection } = await connected(path);
    await expect(sayHello(connection, hello)).resolves.toEqual(reply);
  });
});
