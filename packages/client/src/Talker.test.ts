import { ProtocolError, packetFlags } from '@kvm-audio/protocol';
import { testFormat } from '../../../test/helpers/ProtocolServer.js';
import { ProtocolServers } from '../../../test/helpers/ProtocolServers.js';
import { uncaughtErrors } from '../../../test/helpers/uncaughtErrors.js';
import { until } from '../../../test/helpers/until.js';
import type { TalkerPacket } from './SentStream.js';
import { Talker, type TalkerEvents, type TalkerOptions } from './Talker.js';

const servers = new ProtocolServers();
afterEach(() => {
  servers.closeAll();
  jest.restoreAllMocks();
});
afterAll(() => servers.remove());

function talkerOn(
  path: string,
  options: Partial<TalkerOptions> = {},
): { talker: Talker; told: string[] } {
  const talker = servers.closing(new Talker({ path, client: 'test', ...options }));
  const told: string[] = [];
  talker.on('connected', ({ level }) => told.push(`connected ${level}`));
  talker.on('format', ({ level }) => told.push(`format ${level}`));
  talker.on('drain', () => told.push('drain'));
  talker.on('replaced', (by) => told.push(`replaced by ${by}`));
  talker.on('disconnected', (error) => told.push(`disconnected ${error?.code ?? ''}`.trim()));
  talker.on('closed', () => told.push('closed'));
  return { talker, told };
}

/** A packet of 20 ms. */
const packetOf = (seq: number, payload = Uint8Array.of(0xf8, seq)): TalkerPacket => ({
  seq,
  mediaTime: seq * 960,
  payload,
});

describe('a talker', () => {
  test('sends packets in order, from a copy of the payload', async () => {
    const { path, server } = await servers.serve('source');
    const { talker } = talkerOn(path);
    await expect(talker.connected()).resolves.toEqual(testFormat);
    const payload = Buffer.from([0xf8, 0]);
    for (let seq = 0; seq < 10; seq++) {
      payload[1] = seq;
      expect(talker.send(packetOf(seq, payload))).not.toBe('dropped');
    }
    await until(() => server.packets.length === 10);
    expect(server.packets).toEqual(
      Array.from({ length: 10 }, (_, seq) => ({
        seq,
        mediaTime: seq * 960,
        flags: 0,
        payload: [0xf8, seq],
      })),
    );
    expect(talker.counters).toEqual({ sentPackets: 10, droppedPackets: 0, connections: 1 });
  });

  test('counts for a caller that has nothing but payloads', async () => {
    const { path, server } = await servers.serve('source');
    const { talker } = talkerOn(path);
    await talker.connected();
    for (let i = 0; i < 3; i++) talker.send({ payload: Uint8Array.of(0xf0) });
    await until(() => server.packets.length === 3);
    expect(server.packets.map(({ seq, mediaTime }) => [seq, mediaTime])).toEqual([
      [0, 0],
      [1, 480],
      [2, 960],
    ]);
  });

  test('drops what it is given while there is no connection, and says so', async () => {
    const { talker, told } = talkerOn(servers.path());
    expect(talker.send(packetOf(0))).toBe('dropped');
    await until(() => told.length > 0);
    expect(talker.send(packetOf(1))).toBe('dropped');
    expect(talker.counters).toMatchObject({ sentPackets: 0, droppedPackets: 2 });
    talker.close();
    expect(talker.send(packetOf(2))).toBe('dropped');
  });

  test.each([0, 4_097])('refuses a payload of %i bytes', async (bytes) => {
    const { path } = await servers.serve('source');
    const { talker } = talkerOn(path);
    await talker.connected();
    expect(() => talker.send(packetOf(0, new Uint8Array(bytes)))).toThrow(RangeError);
  });

  test('resumes its stream after a loss, flagged', async () => {
    const { path, server } = await servers.serve('source');
    const { talker, told } = talkerOn(path);
    await talker.connected();
    talker.send({ payload: Uint8Array.of(0xf8, 1) });
    await until(() => server.packets.length === 1);
    server.clients[0]?.destroy();
    await until(() => told.at(-1) === 'disconnected');
    expect(talker.send({ payload: Uint8Array.of(0xf8, 2) })).toBe('dropped');
    await until(() => told.includes('connected medium', 1));
    for (const i of [3, 4]) talker.send({ payload: Uint8Array.of(0xf8, i) });
    await until(() => server.packets.length === 3);
    expect(server.packets).toEqual([
      { seq: 0, mediaTime: 0, flags: 0, payload: [0xf8, 1] },
      { seq: 2, mediaTime: 1920, flags: packetFlags.discontinuity, payload: [0xf8, 3] },
      { seq: 3, mediaTime: 2880, flags: 0, payload: [0xf8, 4] },
    ]);
    expect(told).toEqual(['connected medium', 'disconnected', 'connected medium', 'drain']);
  });

  test('flags the first packet after a loss also where it dropped none', async () => {
    const { path, server } = await servers.serve('source');
    const { talker } = talkerOn(path);
    await talker.connected();
    talker.send(packetOf(0));
    await until(() => server.packets.length === 1);
    server.clients[0]?.destroy();
    await until(() => talker.counters.connections === 2);
    for (const seq of [1, 2]) talker.send(packetOf(seq));
    await until(() => server.packets.length === 3);
    expect(server.packets.map(({ flags }) => flags)).toEqual([0, packetFlags.discontinuity, 0]);
  });

  test('whose server died just now ends with it, though its handler sends whenever it can', async () => {
    const { path, server } = await servers.serve('source');
    const { talker, told } = talkerOn(path);
    await talker.connected();
    let sends = 0;
    talker.on('drain', () => {
      sends += 1;
      if (sends > 1_000) throw new Error('it sends for ever');
      talker.send(packetOf(sends));
    });
    server.clients[0]?.destroy();
    // Before the end is seen: two are with the socket, and never get there.
    const results = [1, 2, 3, 4, 5].map((seq) => talker.send(packetOf(seq)));
    expect(results).toEqual(['taken', 'taken', 'queued', 'queued', 'queued']);
    await until(() => told.includes('disconnected CONNECTION_CLOSED'));
    expect(sends).toBe(0);
    expect(talker.counters).toMatchObject({ sentPackets: 2, droppedPackets: 3 });
  });

  test('tells what waits, what was dropped, and when all is out again', async () => {
    const { path, server } = await servers.serve('source');
    const { talker, told } = talkerOn(path);
    await talker.connected();
    // In one turn of the event loop nobody reads.
    const payload = new Uint8Array(4_096).fill(0xf8, 0, 1);
    const results = Array.from({ length: 200 }, (_, seq) => talker.send(packetOf(seq, payload)));
    const taken = results.indexOf('queued');
    const dropped = 200 - taken - 10;
    expect(taken).toBeGreaterThan(2);
    expect(results).toEqual([
      ...Array(taken).fill('taken'),
      ...Array(10).fill('queued'),
      ...Array(dropped).fill('dropped'),
    ]);
    expect(talker.queuedMs).toBe(200);
    await until(() => told.includes('drain'));
    expect(talker.queuedMs).toBe(0);
    await until(() => server.packets.length === taken + 10);
    const seqs = Array.from({ length: 200 }, (_, seq) => seq);
    expect(server.packets.map(({ seq }) => seq)).toEqual([
      ...seqs.slice(0, taken),
      ...seqs.slice(-10),
    ]);
    expect(talker.counters).toMatchObject({ sentPackets: taken + 10, droppedPackets: dropped });
    expect(told.filter((text) => text === 'drain')).toHaveLength(1);
  });

  test('asks for a takeover only where it is told to', async () => {
    const { path, server } = await servers.serve('source');
    await talkerOn(path).talker.connected();
    await talkerOn(path, { takeover: true }).talker.connected();
    expect(server.hellos.map(({ takeover }) => takeover)).toEqual([undefined, true]);
  });

  test('that was replaced says so and stays away', async () => {
    const { path, server } = await servers.serve('source');
    const { talker, told } = talkerOn(path);
    await talker.connected();
    server.clients[0]?.notify('source.replaced', { by: 'other' });
    server.clients[0]?.end();
    await until(() => talker.closed && server.clients[0]?.closed === true);
    expect(talker.send(packetOf(0))).toBe('dropped');
    await talkerOn(path).talker.connected();
    expect(told).toEqual(['connected medium', 'replaced by other', 'closed']);
    expect(server.hellos).toHaveLength(2);
  });

  test('waits for its turn where another source plays', async () => {
    const { path, server } = await servers.serve('source');
    server.refusal = new ProtocolError('AUDIO_ALREADY_RUNNING', 'another source is connected');
    const { told } = talkerOn(path);
    await until(() => told.length >= 2);
    expect(new Set(told)).toEqual(new Set(['disconnected AUDIO_ALREADY_RUNNING']));
    server.refusal = undefined;
    await until(() => told.at(-1) === 'connected medium');
  });

  test('gives feedback and formats as events', async () => {
    const { path, server } = await servers.serve('source');
    const { talker, told } = talkerOn(path);
    const feedbacks: unknown[] = [];
    talker.on('feedback', (feedback) => feedbacks.push(feedback));
    await talker.connected();
    const feedback = { lossPercent: 2.5, jitterMs: 4, playoutDelayMs: 31 };
    server.clients[0]?.notify('source.feedback', { ...feedback, more: true });
    server.clients[0]?.notify('format.changed', { ...testFormat, level: 'ultra' });
    await until(() => told.length === 2);
    expect(feedbacks).toEqual([feedback]);
    expect(told[1]).toBe('format ultra');
    expect(talker.format?.level).toBe('ultra');
  });

  test('reports the counters of its client', async () => {
    const { path, server } = await servers.serve('source');
    const { talker } = talkerOn(path);
    const stats = { framesReceived: 7, lossPercent: 0, jitterMs: 2.5, bufferMs: 0 };
    expect(talker.reportStats(stats)).toBe(false);
    await talker.connected();
    expect(talker.reportStats(stats)).toBe(true);
    await until(() => server.notices.length === 1);
    expect(server.notices).toEqual([['client.stats', stats]]);
  });

  test('closed while it connects does not hold the place of the source', async () => {
    const { path, server } = await servers.serve('source');
    const { talker, told } = talkerOn(path);
    talker.close();
    await talkerOn(path).talker.connected();
    await until(() => server.clients.filter(({ closed }) => !closed).length === 1);
    expect(told).toEqual(['closed']);
  });

  test.each(['connected', 'feedback', 'replaced', 'closed'] satisfies (keyof TalkerEvents)[])(
    'outlives a handler that throws at %s',
    async (event) => {
      const uncaught = uncaughtErrors();
      const { path, server } = await servers.serve('source');
      const talker = servers.closing(new Talker({ path, client: 'test' }));
      talker.on(event, () => {
        throw new Error(`thrown at ${event}`);
      });
      await talker.connected();
      const feedback = { lossPercent: 2.5, jitterMs: 4, playoutDelayMs: 31 };
      server.clients[0]?.notify('source.feedback', feedback);
      talker.send(packetOf(0));
      await until(() => server.packets.length === 1);
      server.clients[0]?.notify('source.replaced', { by: 'other' });
      await until(() => talker.closed && uncaught.length > 0);
      expect(uncaught).toEqual([`thrown at ${event}`]);
      expect(server.hellos).toHaveLength(1);
    },
  );
});

test('a talker that would be refused each time is refused at once', () => {
  const options = { path: '/tmp/x', client: 'test', takeover: 'yes' as unknown as boolean };
  expect(() => new Talker(options)).toThrow('options.takeover must be true or false, not "yes"');
});
