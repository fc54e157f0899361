import {
  AudioPacketReader,
  controlChecks,
  decodeMessage,
  encodeMessage,
  isAudioPacket,
  lengthFieldBytes,
  type Message,
  ProtocolError,
  ReceiveBuffer,
  type Role,
  type SocketName,
  socketPath,
} from '@kvm-audio/protocol';
import { inRepository } from '../helpers/repository.js';
import { TestDaemon } from '../helpers/TestDaemon.js';
import { TestProcess } from '../helpers/TestProcess.js';
import { WireClient } from '../helpers/WireClient.js';
import {
  fieldsOf,
  packetBytes,
  packetToBody,
  toBody,
  toMessage,
  vectors,
  vectorsPath,
} from './vectors.js';

function bytesOf(message: Message): Buffer {
  const { buffer, length } = encodeMessage(message);
  return buffer.bytes.subarray(0, length);
}

/** What a receiver makes of bytes: the bodies in them, as arrays. */
function receive(hex: string): unknown[][] {
  const bodies: unknown[][] = [];
  const packets = new AudioPacketReader();
  new ReceiveBuffer().feed(Buffer.from(hex, 'hex'), (bytes, start, end) => {
    const audio = isAudioPacket(bytes, start, end);
    bodies.push(
      audio
        ? packetToBody(packets.read(bytes, start, end))
        : toBody(decodeMessage(bytes, start, end)),
    );
  });
  return bodies;
}

const named = <T extends { name: string }>(list: readonly T[]): [string, T][] =>
  list.map((vector) => [vector.name, vector]);

describe('a vector', () => {
  test.each(named([...vectors.messages, ...vectors.packets]))(
    'is read as what it says: %s',
    (_, { hex, body }) => {
      expect(Buffer.from(hex, 'hex').readUInt32BE(0)).toBe(hex.length / 2 - lengthFieldBytes);
      expect(receive(hex)).toEqual([body]);
    },
  );

  test.each(named(vectors.messages.filter(({ canonical }) => canonical)))(
    'is what is written for it: %s',
    (_, { hex, body }) => expect(bytesOf(toMessage(body)).toString('hex')).toBe(hex),
  );

  test.each(named(vectors.packets.filter(({ canonical }) => canonical)))(
    'is the packet that is written for it: %s',
    (_, { hex, body }) => expect(packetBytes(body).toString('hex')).toBe(hex),
  );

  test.each(named(vectors.malformed))('is refused by its code: %s', (_, { hex, code }) => {
    let refusal: unknown;
    try {
      receive(hex);
    } catch (error) {
      refusal = error;
    }
    expect(refusal).toBeInstanceOf(ProtocolError);
    expect(refusal).toMatchObject({ code });
  });

  test('says the same to another MessagePack library', async () => {
    const script = inRepository('test/contract/vectors.py');
    const python = new TestProcess('python3', '/usr/bin/python3', [script, vectorsPath], {});
    const end = await python.ended;
    expect(python.output).toBe(`${vectors.messages.length + vectors.packets.length} agree\n`);
    expect(end.code).toBe(0);
  });
});

const roles: Record<SocketName, Role> = { input: 'sink', output: 'source', control: 'control' };
const sockets = Object.keys(roles) as SocketName[];
/** Connections at a time: under the limit of clients. */
const atOnce = 16;

describe('a running daemon', () => {
  let daemon: TestDaemon;

  beforeAll(async () => {
    daemon = await TestDaemon.start();
  });

  afterEach(async () => {
    const { output, input } = await daemon.status();
    for (const { state, restarts } of [output, input]) {
      expect({ state, restarts }).toEqual({ state: 'running', restarts: 0 });
    }
  });

  afterAll(() => daemon.stop());

  const connect = (socket: SocketName): Promise<WireClient> =>
    WireClient.connect(socketPath(daemon.runtimeFolder, socket));

  async function greeted(socket: SocketName): Promise<WireClient> {
    const client = await connect(socket);
    const params = { protocol: 1, role: roles[socket], client: 'vectors', takeover: true };
    client.send(bytesOf({ kind: 'request', id: 1, method: 'hello', params }));
    const [welcome] = await client.waitForMessages(1);
    expect(welcome).toMatchObject({ kind: 'response', id: 1, error: null });
    return client;
  }

  /** Runs for each, some at a time: one source plays at a time, so that it is one of them. */
  async function each<T>(list: readonly T[], count: number, run: (one: T) => Promise<void>) {
    for (let i = 0; i < list.length; i += count) {
      await Promise.all(list.slice(i, i + count).map(run));
    }
  }

  function lastError(client: WireClient): unknown {
    const last = client.messages.at(-1);
    if (last?.kind === 'notification' && last.method === 'error') return last.params;
    return last?.kind === 'response' ? last.error : undefined;
  }

  test.each(sockets)('ends each malformed message on %s.sock by its code, before hello', (socket) =>
    each(vectors.malformed, atOnce, async ({ name, hex, code }) => {
      const client = await connect(socket);
      client.send(Buffer.from(hex, 'hex'));
      await client.waitForEnd();
      expect([name, lastError(client)]).toMatchObject([name, { code }]);
    }),
  );

  test.each(sockets)('ends each malformed message on %s.sock by its code, after hello', (socket) =>
    each(vectors.malformed, socket === 'output' ? 1 : atOnce, async ({ name, hex, code }) => {
      const client = await greeted(socket);
      client.send(Buffer.from(hex, 'hex'));
      await client.waitForEnd();
      expect([name, lastError(client)]).toMatchObject([name, { code }]);
    }),
  );

  test.each(sockets)('refuses each wrong hello on %s.sock by its code, and closes', (socket) =>
    each(
      vectors.refusedHellos.filter(({ sockets: own }) => own.includes(socket)),
      atOnce,
      async ({ name, hex, code, data, by }) => {
        const client = await connect(socket);
        client.send(Buffer.from(hex, 'hex'));
        await client.waitForEnd();
        const kinds = client.messages.map(({ kind }) => kind);
        expect([name, kinds, lastError(client)]).toMatchObject([
          name,
          [by],
          { code, ...(data && { data }) },
        ]);
      },
    ),
  );

  test.each(named(vectors.refusedRequests))(
    'answers and goes on: %s',
    async (_, { socket, hex, code, data }) => {
      const client = await greeted(socket);
      client.send(Buffer.from(hex, 'hex'));
      await client.waitForMessages(2);
      expect(lastError(client)).toMatchObject({ code, ...(data && { data }) });
      client.send(Buffer.from(hex, 'hex'));
      await client.waitForMessages(3);
      client.destroy();
    },
  );

  test.each(named(vectors.refusedAfterHello))(
    'ends the connection: %s',
    async (_, { socket, hex, code }) => {
      const client = await greeted(socket);
      client.send(Buffer.from(hex, 'hex'));
      await client.waitForEnd();
      expect(lastError(client)).toMatchObject({ code });
    },
  );

  test('answers each request of the vectors as its response is', async () => {
    const client = await greeted('control');
    const pairs = Object.keys(controlChecks).map((method) => ({
      request: vectors.messages.find(({ body }) => body[0] === 0 && body[2] === method),
      response: vectors.messages.find(({ name }) => name === `response of ${method}`),
    }));
    for (const [i, { request, response }] of pairs.entries()) {
      client.send(Buffer.from(request!.hex, 'hex'));
      const answer = (await client.waitForMessages(i + 2))[i + 1];
      const result = answer?.kind === 'response' ? answer.result : undefined;
      expect([request!.name, fieldsOf(result)]).toEqual([
        request!.name,
        expect.arrayContaining(fieldsOf(response!.body[3])),
      ]);
    }
    client.destroy();
  });
});
