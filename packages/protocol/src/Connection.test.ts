import net from 'node:net';
import { listenForOne, makeSocketFolder } from '../../../test/helpers/socketFolder.js';
import { until } from '../../../test/helpers/until.js';
import { wireBytes } from '../../../test/helpers/wireBytes.js';
import { packetHeaderBytesMax, writePacketHeader } from './audioPacket.js';
import { Connection, type ConnectionHandlers } from './Connection.js';
import { ProtocolError } from './errors.js';
import { limits } from './limits.js';
import { decodeMessage, encodeMessage, type Message } from './messageCodec.js';
import { NodeStream } from './NodeStream.js';
import { ReceiveBuffer } from './ReceiveBuffer.js';

const folder = makeSocketFolder();
afterAll(() => folder.remove());

type Recorder = ConnectionHandlers & {
  notices: [string, unknown][];
  packets: { seq: number; payload: string }[];
  closes: (ProtocolError | undefined)[];
};

/** Handlers that keep what they were told; requests are answered by `onRequest`. */
function recorder(onRequest: ConnectionHandlers['onRequest'] = () => null): Recorder {
  const told: Recorder = {
    notices: [],
    packets: [],
    closes: [],
    onRequest,
    onNotification: (method, params) => told.notices.push([method, params]),
    onPacket: ({ seq, payload }) =>
      told.packets.push({ seq, payload: Buffer.from(payload).toString('hex') }),
    onClose: (error) => told.closes.push(error),
  };
  return told;
}

const open: { destroy(): void }[] = [];
afterEach(async () => {
  for (const end of open) end.destroy();
  open.length = 0;
});
let sockets = 0;

/** Two connections with a real socket between them. */
async function connectionPair(
  serverSide = recorder(),
  clientSide = recorder(),
): Promise<{ server: Connection; client: Connection }> {
  const path = folder.path(`${sockets++}`);
  const { socket } = await listenForOne(path);
  const client = new Connection(NodeStream.connect(path), clientSide);
  const server = new Connection(NodeStream.accepted(await socket), serverSide);
  open.push(client, server);
  return { server, client };
}

/** A connection whose other end is a plain socket. */
async function rawPeer(
  serverSide = recorder(),
): Promise<{ server: Connection; peer: net.Socket; messages: Message[] }> {
  const path = folder.path(`${sockets++}`);
  const { socket } = await listenForOne(path);
  const peer = net.connect({ path });
  const server = new Connection(NodeStream.accepted(await socket), serverSide);
  const receive = new ReceiveBuffer();
  const messages: Message[] = [];
  peer.on('error', () => undefined);
  peer.on('data', (chunk) =>
    receive.feed(chunk, (bytes, start, end) => messages.push(decodeMessage(bytes, start, end))),
  );
  open.push(peer, server);
  return { server, peer, messages };
}

describe('a connection', () => {
  test('says so in words where it broke, with the system’s code', async () => {
    const told = recorder();
    const { server, peer } = await rawPeer(told);
    // Who goes with something unread resets.
    peer.pause();
    server.notify('unread', {});
    peer.destroy();
    await until(() => told.closes.length > 0);
    expect(told.closes).toEqual([
      expect.objectContaining({
        code: 'CONNECTION_CLOSED',
        message: 'the connection broke (ECONNRESET)',
        data: { code: 'ECONNRESET' },
      }),
    ]);
  });

  test('answers a request with what the handler returns', async () => {
    const { client } = await connectionPair(recorder((method, params) => ({ method, params })));
    await expect(client.request('a.get', { x: 2 ** 40 })).resolves.toEqual({
      method: 'a.get',
      params: { x: 2 ** 40 },
    });
  });

  test('answers with what the handler promises', async () => {
    const { client } = await connectionPair(recorder(async () => 'later'));
    await expect(client.request('a.get', {})).resolves.toBe('later');
  });

  test('can be asked from both ends', async () => {
    const { client, server } = await connectionPair(
      recorder(() => 'server'),
      recorder(() => 'client'),
    );
    await expect(
      Promise.all([client.request('who', {}), server.request('who', {})]),
    ).resolves.toEqual(['server', 'client']);
  });

  test('matches answers that come in another order', async () => {
    const waiting = new Map<unknown, (value: unknown) => void>();
    const { client } = await connectionPair(
      recorder((_, params) => new Promise((resolve) => waiting.set(params, resolve))),
    );
    const asked = Array.from({ length: 20 }, (_, i) => client.request('n', i));
    await until(() => waiting.size === 20);
    for (const [number, resolve] of [...waiting].reverse()) resolve(number);
    await expect(Promise.all(asked)).resolves.toEqual(Array.from({ length: 20 }, (_, i) => i));
  });

  test('delivers notifications and packets in the order in which they were sent', async () => {
    const told = recorder();
    const { client } = await connectionPair(told);
    const bytes = Buffer.alloc(packetHeaderBytesMax + 2, 0xfc);
    const start = writePacketHeader(bytes, 2, 7, 0, undefined, 0);
    let held = 0;
    const packet = {
      bytes,
      start,
      end: bytes.length,
      durationMs: 20,
      retain: () => {
        held += 1;
      },
      release: () => {
        held -= 1;
      },
    };
    for (let i = 0; i < 100; i++) client.notify('n', i);
    expect(client.trySend(packet)).toBe(true);
    client.notify('last', null);
    await until(() => told.notices.length === 101);
    expect(told.notices.slice(0, 100)).toEqual(Array.from({ length: 100 }, (_, i) => ['n', i]));
    expect(told.packets).toEqual([{ seq: 7, payload: 'fcfc' }]);
    await until(() => held === 0);
  });

  test('carries the largest message', async () => {
    const { client } = await connectionPair(recorder((_, params) => (params as string).length));
    await expect(client.request('n', 'x'.repeat(65_500))).resolves.toBe(65_500);
  });

  test('gives the memory of its messages back when they were written', async () => {
    const told = recorder();
    const path = folder.path(`${sockets++}`);
    const { socket } = await listenForOne(path);
    let held = 0;
    const memory = {
      acquire: (count: number) => {
        held += 1;
        return {
          bytes: Buffer.alloc(count),
          release: () => {
            held -= 1;
          },
        };
      },
    };
    const client = new Connection(NodeStream.connect(path), recorder(), memory);
    open.push(client, new Connection(NodeStream.accepted(await socket), told));
    for (let i = 0; i < 10; i++) client.notify('n', i);
    await until(() => told.notices.length === 10 && held === 0);
    client.notify('n', 10);
    client.destroy();
    await until(() => held === 0);
  });
});

describe('an error', () => {
  test('of a handler crosses the wire with its code, flag and facts', async () => {
    const { client } = await connectionPair(
      recorder(() => {
        throw new ProtocolError('AUDIO_ALREADY_RUNNING', 'taken', { by: 'other' });
      }),
    );
    const error = await client.request('n', {}).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ProtocolError);
    expect(error).toMatchObject({
      code: 'AUDIO_ALREADY_RUNNING',
      message: 'taken',
      retryable: true,
      data: { by: 'other' },
    });
  });

  test.each([
    [
      'thrown',
      () => {
        throw new TypeError('a bug');
      },
    ],
    ['of a promise', () => Promise.reject(new TypeError('a bug'))],
  ])('that is no ProtocolError is told as INTERNAL (%s)', async (_, onRequest) => {
    const { client } = await connectionPair(recorder(onRequest));
    await expect(client.request('n', {})).rejects.toMatchObject({
      code: 'INTERNAL',
      message: 'a bug',
      retryable: false,
    });
    expect(client.closed).toBe(false);
  });

  test('told by the other end before it closes reaches onClose and all who wait', async () => {
    const told = recorder();
    const { client, server } = await connectionPair(
      recorder(() => new Promise(() => undefined)),
      told,
    );
    const asked = client.request('n', {});
    const failed = expect(asked).rejects.toMatchObject({ code: 'TOO_MANY_CLIENTS' });
    server.fail(new ProtocolError('TOO_MANY_CLIENTS', 'full'));
    await failed;
    await until(() => told.closes.length === 1);
    expect(told.closes[0]).toMatchObject({ code: 'TOO_MANY_CLIENTS', message: 'full' });
    expect(told.notices).toEqual([]);
  });
});

function holdUp(ms: number): void {
  const untilMs = performance.now() + ms;
  while (performance.now() < untilMs);
}

describe('a request', () => {
  test('without an answer fails after its deadline, and the late answer is ignored', async () => {
    let answer: (value: unknown) => void = () => undefined;
    const told = recorder();
    const { client, server } = await connectionPair(
      recorder(
        () =>
          new Promise((resolve) => {
            answer = resolve;
          }),
      ),
      told,
    );
    await expect(client.request('slow.get', {}, 20)).rejects.toMatchObject({
      code: 'DEADLINE_EXCEEDED',
      message: 'no answer to slow.get in 20 ms',
      retryable: true,
    });
    answer(1);
    server.notify('after', null);
    await until(() => told.notices.length === 1);
    expect(client.closed).toBe(false);
  });

  test('is answered where this process was held up beyond its deadline', async () => {
    const { client } = await connectionPair(
      recorder(() => {
        // The answer is in the socket by then.
        queueMicrotask(() => holdUp(80));
        return 'in time';
      }),
      recorder(),
    );
    expect(await client.request('quick.get', {}, 40)).toBe('in time');
  });

  test('over the limit of those that wait is refused at once', async () => {
    const { client } = await connectionPair(recorder(() => new Promise(() => undefined)));
    const asked = Array.from({ length: limits.requestsPendingMax }, () => client.request('n', {}));
    const all = Promise.allSettled(asked);
    await expect(client.request('n', {})).rejects.toMatchObject({
      code: 'TOO_MANY_REQUESTS',
      message: '64 requests wait for an answer already',
    });
    client.destroy();
    const results = await all;
    expect(results).toHaveLength(64);
    expect(results.every(({ status }) => status === 'rejected')).toBe(true);
  });

  test('over the limit is refused by the other end too, and the rest is answered', async () => {
    let release: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const { peer, messages } = await rawPeer(recorder(() => gate));
    for (let id = 1; id <= 65; id++) {
      const { buffer, length } = encodeMessage({ kind: 'request', id, method: 'n', params: null });
      peer.write(buffer.bytes.subarray(0, length));
    }
    await until(() => messages.length === 1);
    expect(messages[0]).toMatchObject({ id: 65, error: { code: 'TOO_MANY_REQUESTS' } });
    release();
    await until(() => messages.length === 65);
    expect(
      messages.slice(1).map((message) => message.kind === 'response' && message.error),
    ).toEqual(Array(64).fill(null));
  });

  test.each(['end', 'destroy'] as const)('that waits is rejected on %s', async (how) => {
    const { client } = await connectionPair(recorder(() => new Promise(() => undefined)));
    const failed = expect(client.request('n', {})).rejects.toMatchObject({
      code: 'CONNECTION_CLOSED',
      retryable: true,
    });
    client[how]();
    await failed;
    await expect(client.request('n', {})).rejects.toMatchObject({ code: 'CONNECTION_CLOSED' });
  });

  test('that waits is rejected when the other end dies', async () => {
    const { client, server } = await connectionPair(recorder(() => new Promise(() => undefined)));
    const failed = expect(client.request('n', {})).rejects.toMatchObject({
      code: 'CONNECTION_CLOSED',
    });
    server.destroy();
    await failed;
  });
});

describe('a close', () => {
  test('by the other end between messages is told once, without an error', async () => {
    const told = recorder();
    const { client, server } = await connectionPair(told);
    client.end();
    client.end();
    await until(() => server.closed && told.closes.length === 1);
    expect(told.closes).toEqual([undefined]);
    server.end();
    server.destroy();
    expect(told.closes).toHaveLength(1);
  });

  test('by the other end in the middle of a message is an error', async () => {
    const told = recorder();
    const { peer } = await rawPeer(told);
    const { buffer, length } = encodeMessage({
      kind: 'notification',
      method: 'half',
      params: 'x'.repeat(100),
    });
    const message = buffer.bytes.subarray(0, length);
    peer.end(Buffer.concat([message, message.subarray(0, 50)]));
    await until(() => told.closes.length > 0);
    expect(told.notices).toHaveLength(1);
    expect(told.closes).toEqual([
      expect.objectContaining({
        code: 'CONNECTION_CLOSED',
        message: 'the other end closed 50 bytes into a message',
      }),
    ]);
  });

  test('of ours sends what was written before', async () => {
    const told = recorder();
    const { client } = await connectionPair(told);
    for (let i = 0; i < 50; i++) client.notify('n', 'x'.repeat(4_000));
    client.end();
    client.notify('n', 'after the end');
    await until(() => told.closes.length === 1);
    expect(told.notices).toHaveLength(50);
  });

  test('is destroyed where the other end never closes its side', async () => {
    const told = recorder();
    const path = folder.path(`${sockets++}`);
    const { socket } = await listenForOne(path);
    const peer = net.connect({ path, allowHalfOpen: true });
    const server = new Connection(NodeStream.accepted(await socket), told);
    open.push(peer);
    server.end();
    await until(() => told.closes.length === 1);
    expect(peer.writable).toBe(true);
  });

  test('of a client that reads no control messages is SLOW_CONSUMER, within bounds', async () => {
    const told = recorder();
    const { server, peer } = await rawPeer(told);
    peer.pause();
    const text = 'x'.repeat(60_000);
    for (let i = 0; i < 100 && !server.closed; i++) server.notify('n', text);
    expect(server.closed).toBe(true);
    await until(() => told.closes.length === 1);
    expect(told.closes[0]).toMatchObject({ code: 'SLOW_CONSUMER' });
    expect(server.queuedBytes).toBeLessThanOrEqual(limits.controlQueueBytesMax + 70_000);
  });
});

describe('a peer that breaks the protocol', () => {
  test.each([
    ['MALFORMED_MESSAGE', 'garbage', wireBytes('00000004 c1c1c1c1')],
    ['MALFORMED_MESSAGE', 'an empty message', wireBytes('00000000')],
    ['MALFORMED_MESSAGE', 'a broken audio packet', wireBytes('00000006 96 03 00 00 00 00')],
    ['MESSAGE_TOO_LARGE', 'a message over the limit', wireBytes('00010001')],
    ['MESSAGE_TOO_LARGE', 'text', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
  ])('is told %s and closed: %s', async (code, _, bytes) => {
    const told = recorder();
    const { server, peer, messages } = await rawPeer(told);
    const closed = new Promise((resolve) => peer.once('close', resolve));
    peer.write(bytes);
    await closed;
    expect(messages).toMatchObject([
      { kind: 'notification', method: 'error', params: { code, retryable: false } },
    ]);
    expect(server.closed).toBe(true);
    await until(() => told.closes.length === 1);
    expect(told.closes[0]).toMatchObject({ code });
  });

  test('is heard up to there, and not beyond', async () => {
    const told = recorder();
    const { peer } = await rawPeer(told);
    const notice = wireBytes('00000005 93 02 a1 "n" c0');
    peer.write(Buffer.concat([notice, wireBytes('00000001 c1'), notice, notice]));
    await until(() => told.closes.length === 1);
    expect(told.notices).toEqual([['n', null]]);
  });

  test('is gone as soon as it has closed its side too', async () => {
    const told = recorder();
    const { peer } = await rawPeer(told);
    const startMs = performance.now();
    peer.write(wireBytes('00000001 c1'));
    await until(() => told.closes.length === 1);
    // The time that a peer has which does not close is a second.
    expect(performance.now() - startMs).toBeLessThan(900);
  });

  test('may go on sending, and is closed all the same', async () => {
    const told = recorder();
    const path = folder.path(`${sockets++}`);
    const { socket } = await listenForOne(path);
    const peer = net.connect({ path, allowHalfOpen: true });
    const server = new Connection(NodeStream.accepted(await socket), told);
    open.push(peer, server);
    peer.on('error', () => undefined);
    peer.write(wireBytes('00000001 c1'));
    const flood = setInterval(() => peer.write(Buffer.alloc(100_000, 0x91)), 5);
    try {
      await until(() => told.closes.length === 1);
    } finally {
      clearInterval(flood);
    }
    expect(told.closes[0]).toMatchObject({ code: 'MALFORMED_MESSAGE' });
  });

  test('leaves no timer behind once it is gone', async () => {
    const told = recorder();
    const clear = jest.spyOn(globalThis, 'clearTimeout');
    const { peer } = await rawPeer(told);
    peer.write(wireBytes('00000001 c1'));
    await until(() => told.closes.length === 1);
    expect(clear.mock.calls.some(([timer]) => timer !== undefined)).toBe(true);
    clear.mockRestore();
  });

  test('by an answer that nobody waits for is ignored', async () => {
    const told = recorder();
    const { peer } = await rawPeer(told);
    peer.write(wireBytes('00000005 94 01 07 c0 c0 00000005 93 02 a1 "n" c0'));
    await until(() => told.notices.length === 1);
    expect(told.closes).toEqual([]);
  });
});

test('nobody listening is the system’s error', async () => {
  const stream = NodeStream.connect(folder.path('nobody'));
  const client = new Connection(stream, recorder());
  open.push(client);
  await expect(stream.connected()).rejects.toMatchObject({ code: 'ENOENT' });
});
