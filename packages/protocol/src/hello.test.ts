import { outgoing } from '../../../test/helpers/outgoing.js';
import { listenForOne, makeSocketFolder } from '../../../test/helpers/socketFolder.js';
import { until } from '../../../test/helpers/until.js';
import { Connection, type ConnectionHandlers } from './Connection.js';
import type { ProtocolError } from './errors.js';
import { awaitHello, type Hello, type Role, readHello, sayHello, welcome } from './hello.js';
import { limits, protocolVersion } from './limits.js';
import { NodeStream } from './NodeStream.js';

const folder = makeSocketFolder();
const open: Connection[] = [];
afterEach(() => {
  for (const connection of open) connection.destroy();
  open.length = 0;
  jest.useRealTimers();
});
afterAll(() => folder.remove());
let sockets = 0;

const reply = welcome({ name: 'test', version: '1.2.3' }, null);

function handlers(changed: Partial<ConnectionHandlers> = {}): ConnectionHandlers {
  return {
    onRequest: () => 'after hello',
    onNotification: () => undefined,
    onPacket: () => undefined,
    onClose: () => undefined,
    ...changed,
  };
}

type Gate = {
  client: Connection;
  server: Connection;
  hellos: Hello[];
  /** What closed the client's end. */
  closes: (ProtocolError | undefined)[];
  gone: number;
};

async function gatedPair(roles: readonly Role[] = ['sink']): Promise<Gate> {
  const path = folder.path(`${sockets++}`);
  const { socket } = await listenForOne(path);
  const closes: (ProtocolError | undefined)[] = [];
  const client = new Connection(
    NodeStream.connect(path),
    handlers({ onClose: (error) => closes.push(error) }),
  );
  const hellos: Hello[] = [];
  const gate = awaitHello(
    roles,
    (hello) => {
      hellos.push(hello);
      return { reply, handlers: handlers() };
    },
    () => {
      pair.gone += 1;
    },
  );
  const server = new Connection(NodeStream.accepted(await socket), gate.handlers);
  gate.bind(server);
  open.push(client, server);
  const pair: Gate = { client, server, hellos, closes, gone: 0 };
  return pair;
}

describe('hello', () => {
  test('is answered, and the connection is handed on', async () => {
    const { client, hellos } = await gatedPair();
    await expect(sayHello(client, { role: 'sink', client: 'kvm' })).resolves.toEqual(reply);
    expect(hellos).toEqual([{ protocol: 1, role: 'sink', client: 'kvm' }]);
    await expect(client.request('anything', {})).resolves.toBe('after hello');
  });

  test('of another version is refused with both named, then closed', async () => {
    const { client, closes, hellos } = await gatedPair();
    await expect(
      client.request('hello', { protocol: 2, role: 'sink', client: 'kvm' }),
    ).rejects.toMatchObject({
      code: 'PROTOCOL_VERSION',
      message: expect.stringMatching(/2.*1/),
      data: { asked: 2, protocol: protocolVersion },
    });
    await until(() => closes.length === 1);
    expect(hellos).toEqual([]);
  });

  test('of another version is refused even where its fields are unknown to us', () => {
    expect(() => readHello({ protocol: 7, who: 'x' }, ['sink'])).toThrow(
      expect.objectContaining({ code: 'PROTOCOL_VERSION' }),
    );
  });

  test('in a role that does not belong here is refused, then closed', async () => {
    const { client, closes } = await gatedPair(['sink', 'control']);
    await expect(sayHello(client, { role: 'source', client: 'kvm' })).rejects.toMatchObject({
      code: 'ROLE_REFUSED',
      data: { roles: ['sink', 'control'] },
    });
    await until(() => closes.length === 1);
  });

  test.each([
    [['sink'], 'king', 'hello.role must be sink, not "king"'],
    [['sink', 'control'], 7, 'hello.role must be one of sink, control, not number 7'],
  ] as const)(
    'on a socket of %j in the role %j is told the roles of this socket',
    (accepted, role, message) => {
      const params = { protocol: 1, role, client: 'kvm' };
      expect(() => readHello(params, accepted)).toThrow(
        expect.objectContaining({ code: 'BAD_PARAMS', message, data: { path: 'hello.role' } }),
      );
    },
  );

  test.each([
    ['hello', null],
    ['hello.protocol', { protocol: '1', role: 'sink', client: 'kvm' }],
    ['hello.protocol', { role: 'sink', client: 'kvm' }],
    ['hello.role', { protocol: 1, role: 'king', client: 'kvm' }],
    ['hello.client', { protocol: 1, role: 'sink' }],
    ['hello.client', { protocol: 1, role: 'sink', client: 'x'.repeat(65) }],
    ['hello.takeover', { protocol: 1, role: 'sink', client: 'kvm', takeover: 1 }],
  ])('with a bad %s is refused', async (path, params) => {
    const { client, closes } = await gatedPair();
    await expect(client.request('hello', params)).rejects.toMatchObject({
      code: 'BAD_PARAMS',
      data: { path },
    });
    await until(() => closes.length === 1);
  });

  test('that was refused is the last: another in the same piece is not looked at', async () => {
    const { client, closes, hellos } = await gatedPair();
    const good = { protocol: 1, role: 'sink', client: 'kvm' };
    const refused = client.request('hello', { ...good, role: 'source' });
    const second = client.request('hello', good);
    const ended = expect(second).rejects.toMatchObject({ code: 'CONNECTION_CLOSED' });
    client.notify('', { deep: [[[[[[[[[]]]]]]]]] });
    await expect(refused).rejects.toMatchObject({ code: 'ROLE_REFUSED' });
    await ended;
    expect(closes).toEqual([undefined]);
    expect(hellos).toEqual([]);
  });

  test('with fields of a newer client is taken', async () => {
    const { client } = await gatedPair();
    const params = { protocol: 1, role: 'sink', client: 'kvm', colour: 'red', takeover: null };
    await expect(client.request('hello', params)).resolves.toEqual(reply);
  });
});

describe('anything else first', () => {
  test('as a request is HELLO_EXPECTED, and closed', async () => {
    const pair = await gatedPair();
    await expect(pair.client.request('status.get', {})).rejects.toMatchObject({
      code: 'HELLO_EXPECTED',
      data: { protocol: protocolVersion },
    });
    await until(() => pair.closes.length === 1 && pair.gone === 1);
  });

  test('as a notification is HELLO_EXPECTED, and closed', async () => {
    const pair = await gatedPair();
    pair.client.notify('n', {});
    await until(() => pair.closes.length === 1 && pair.gone === 1);
    expect(pair.closes[0]).toMatchObject({ code: 'HELLO_EXPECTED' });
  });

  test('as audio is HELLO_EXPECTED, and closed', async () => {
    const pair = await gatedPair();
    pair.client.trySend(outgoing(0, Uint8Array.of(0xfc)));
    await until(() => pair.closes.length === 1 && pair.gone === 1);
    expect(pair.closes[0]).toMatchObject({ code: 'HELLO_EXPECTED' });
    expect(pair.closes[0]?.message).toContain('audio');
  });
});

describe('no hello', () => {
  /** Only setTimeout stands still: sockets go on. */
  function holdTimers(): void {
    jest.useFakeTimers({
      doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask', 'performance', 'hrtime', 'Date'],
    });
  }

  test('closes the connection after the deadline, and says why', async () => {
    holdTimers();
    const pair = await gatedPair();
    jest.advanceTimersByTime(limits.helloDeadlineMs - 1);
    expect(pair.server.closed).toBe(false);
    jest.advanceTimersByTime(1);
    await until(() => pair.server.closed);
    await until(() => pair.closes.length === 1);
    expect(pair.closes[0]).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    expect(pair.closes[0]?.message).toContain('3000 ms');
  });

  test('has no deadline any more after a hello', async () => {
    holdTimers();
    const pair = await gatedPair();
    await sayHello(pair.client, { role: 'sink', client: 'kvm' });
    jest.advanceTimersByTime(10 * limits.helloDeadlineMs);
    expect(pair.server.closed).toBe(false);
  });

  test('leaves no timer behind when the client goes', async () => {
    holdTimers();
    const pair = await gatedPair();
    pair.client.destroy();
    await until(() => pair.gone === 1);
    // What may be left are the lingering ends, which are not waited for.
    jest.advanceTimersByTime(limits.helloDeadlineMs);
    expect(jest.getTimerCount()).toBe(0);
  });

  test('an answer that does not come fails the client after the deadline', async () => {
    holdTimers();
    const path = folder.path(`${sockets++}`);
    const { socket } = await listenForOne(path);
    const client = new Connection(NodeStream.connect(path), handlers());
    const server = new Connection(
      NodeStream.accepted(await socket),
      handlers({ onRequest: () => new Promise(() => undefined) }),
    );
    open.push(client, server);
    const failed = expect(sayHello(client, { role: 'sink', client: 'kvm' })).rejects.toMatchObject({
      code: 'DEADLINE_EXCEEDED',
    });
    jest.advanceTimersByTime(limits.helloDeadlineMs);
    await failed;
  });
});

describe('the reply', () => {
  test('names the server, its process and its limits', () => {
    expect(reply).toMatchObject({
      protocol: 1,
      server: { name: 'test', version: '1.2.3', pid: process.pid },
      stream: null,
      limits: { messageBytesMax: 65_536, packetPayloadBytesMax: 4_096, sendQueueMs: 200 },
    });
  });

  test('that is none is refused by the client', async () => {
    const path = folder.path(`${sockets++}`);
    const { socket } = await listenForOne(path);
    const client = new Connection(NodeStream.connect(path), handlers());
    const server = new Connection(
      NodeStream.accepted(await socket),
      handlers({ onRequest: () => ({ ...reply, protocol: 2 }) }),
    );
    open.push(client, server);
    await expect(sayHello(client, { role: 'sink', client: 'kvm' })).rejects.toMatchObject({
      code: 'BAD_PARAMS',
      data: { path: 'welcome.protocol' },
    });
  });
});
