import { listenUnix, type Peer } from '@kvm-audio/native-alsa/sys';
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
  forbid?: (peer: Peer) => ProtocolError | undefined,
): Promise<Bench> {
  const path = folder.path(`${sockets++}`);
  const hellos: Hello[] = [];
  const closes: (ProtocolError | undefined)[] = [];
  const handlers: ConnectionHandlers = {
    onRequest: (_, params) => params,
    onNotification: () => undefined,
    onPacket: () => undefined,
    onClose: (error) => closes.push(error),
  };
  const listener = new ClientListener({
    fd: listenUnix(path),
    ...(forbid ? { refuse: forbid } : {}),
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

type Client = {
  stream: NodeStream;
  connection: Connection;
  closes: (ProtocolError | undefined)[];
};

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
  return { stream, connection, closes };
}

const hello = { role: 'sink', client: 'kvm' } as const;

describe('a client listener', () => {
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

  test('closes every client, with and without a hello', async () => {
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
  });

  test('turns away whom it may not serve, says why, and counts it', async () => {
    const seen: Peer[] = [];
    const { path, listener } = await listening(undefined, (peer) => {
      seen.push(peer);
      return new ProtocolError('FORBIDDEN', 'not you');
    });
    const { connection, closes } = await connected(path);
    await expect(sayHello(connection, hello)).rejects.toMatchObject({ code: 'FORBIDDEN' });
    await until(() => closes.length === 1);
    expect(seen).toMatchObject([{ pid: process.pid, uid: process.getuid?.() }]);
    expect(listener.connections).toBe(0);
    expect(listener.counts()).toEqual({ connectionsRefused: 1, connectionDrops: 0 });
  });

  test('counts the clients that it lost, and not those that went in order', async () => {
    const { path, listener, closes } = await listening();
    const orderly = await connected(path);
    await sayHello(orderly.connection, hello);
    orderly.connection.end();
    await until(() => closes.length === 1);
    expect(listener.counts()).toEqual({ connectionsRefused: 0, connectionDrops: 0 });
    const broken = await connected(path);
    await sayHello(broken.connection, hello);
    broken.stream.write(Buffer.alloc(64, 0xff), () => undefined);
    await until(() => closes.length === 2);
    expect(closes[1]).toMatchObject({ code: 'MESSAGE_TOO_LARGE' });
    expect(listener.counts()).toEqual({ connectionsRefused: 0, connectionDrops: 1 });
  });

  test('serves those first who waited before anybody accepted', async () => {
    const path = folder.path(`${sockets++}`);
    const fd = listenUnix(path);
    const early = await connected(path);
    const greeted = sayHello(early.connection, hello);
    const listener = new ClientListener({
      fd,
      roles: ['sink'],
      log: createLog('test', 'error', () => undefined),
      onHello: () => ({
        reply,
        handlers: {
          onRequest: () => null,
          onNotification: () => undefined,
          onPacket: () => undefined,
          onClose: () => undefined,
        },
      }),
    });
    listeners.push(listener);
    listener.listen();
    await expect(greeted).resolves.toEqual(reply);
  });
});
