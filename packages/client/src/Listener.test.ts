import { getEventListeners } from 'node:events';
import { type AudioPacket, type Connection, ProtocolError, packetFlags } from '@kvm-audio/protocol';
import { outgoing } from '../../../test/helpers/outgoing.js';
import { testFormat } from '../../../test/helpers/ProtocolServer.js';
import { ProtocolServers } from '../../../test/helpers/ProtocolServers.js';
import { uncaughtErrors } from '../../../test/helpers/uncaughtErrors.js';
import { until } from '../../../test/helpers/until.js';
import { Listener, type ListenerEvents, type ListenerOptions } from './Listener.js';

const servers = new ProtocolServers();
afterEach(() => {
  servers.closeAll();
  jest.restoreAllMocks();
});
afterAll(() => servers.remove());

function listenerOn(
  path: string,
  options: Partial<ListenerOptions> = {},
): { listener: Listener; told: string[]; seqs: number[] } {
  const listener = servers.closing(new Listener({ path, client: 'test', ...options }));
  const told: string[] = [];
  const seqs: number[] = [];
  listener.on('connected', ({ level }) => told.push(`connected ${level}`));
  listener.on('format', ({ level }) => told.push(`format ${level}`));
  listener.on('gap', ({ packets, ms }) => told.push(`gap ${packets} ${ms}`));
  listener.on('disconnected', (error) => told.push(`disconnected ${error?.code ?? ''}`.trim()));
  listener.on('closed', () => told.push('closed'));
  listener.on('packet', ({ seq }) => seqs.push(seq));
  return { listener, told, seqs };
}

/** Packets of 20 ms, captured when their media time says. */
async function sendPacket(connection: Connection | undefined, seq: number): Promise<void> {
  const packet = outgoing(seq, Uint8Array.of(0xf8, seq & 0xff), seq * 960, seq * 20_000);
  await until(() => connection?.trySend(packet) === true);
}

describe('a listener', () => {
  test('gets the format, then packets, then what changes', async () => {
    const { path, server } = await servers.serve('sink');
    const { listener, told, seqs } = listenerOn(path);
    expect(listener.format).toBeUndefined();
    await expect(listener.connected()).resolves.toEqual(testFormat);
    for (let seq = 0; seq < 5; seq++) await sendPacket(server.clients[0], seq);
    server.clients[0]?.notify('format.changed', { ...testFormat, level: 'high' });
    await until(() => told.length === 2);
    expect(told).toEqual(['connected medium', 'format high']);
    expect(seqs).toEqual([0, 1, 2, 3, 4]);
    expect(listener.format).toEqual({ ...testFormat, level: 'high' });
    expect(listener.counters).toMatchObject({ packets: 5, missedPackets: 0, connections: 1 });
  });

  test('connects again at once when the daemon dies, and listens on', async () => {
    const { path, server } = await servers.serve('sink');
    const { told, seqs } = listenerOn(path);
    await until(() => server.clients.length === 1 && told.length === 1);
    server.clients[0]?.destroy();
    await until(() => told.length === 3);
    expect(told).toEqual(['connected medium', 'disconnected', 'connected medium']);
    await sendPacket(server.clients[1], 9);
    await until(() => seqs.length === 1);
  });

  test('resumes its stream where the pipeline counts anew', async () => {
    const { path, server } = await servers.serve('sink');
    const { listener, told } = listenerOn(path);
    const heard: Omit<AudioPacket, 'payload'>[] = [];
    listener.on('packet', ({ seq, mediaTime, captureTimeUs, flags }) =>
      heard.push({ seq, mediaTime, captureTimeUs, flags }),
    );
    await listener.connected();
    for (let seq = 100; seq < 103; seq++) await sendPacket(server.clients[0], seq);
    await until(() => heard.length === 3);
    server.pid += 1;
    server.clients[0]?.destroy();
    await until(() => server.clients.length === 2);
    const late = outgoing(0, Uint8Array.of(0xf8, 0), 0, 102 * 20_000 + 500_000);
    server.clients[1]?.trySend(late);
    server.clients[1]?.trySend(outgoing(1, Uint8Array.of(0xf8, 0), 960, 102 * 20_000 + 520_000));
    await until(() => heard.length === 5);
    expect(heard.slice(3)).toEqual([
      {
        seq: 127,
        mediaTime: 127 * 960,
        captureTimeUs: 102 * 20_000 + 500_000,
        flags: packetFlags.discontinuity,
      },
      { seq: 128, mediaTime: 128 * 960, captureTimeUs: 102 * 20_000 + 520_000, flags: 0 },
    ]);
    expect(told).toContain('gap 24 480');
    expect(listener.counters).toMatchObject({ packets: 5, missedPackets: 24, missedMs: 480 });
  });

  test('waits for a daemon that comes later, and tells when it tries again', async () => {
    const path = servers.path();
    const { listener, told } = listenerOn(path);
    const retries: number[] = [];
    listener.on('disconnected', (_, retryMs) => retries.push(retryMs));
    const connected = listener.connected();
    await until(() => told.length > 0);
    expect(told[0]).toBe('disconnected CONNECTION_CLOSED');
    expect(retries[0]).toBeGreaterThan(0);
    expect(retries[0]).toBeLessThanOrEqual(20);
    await servers.serve('sink', path);
    await connected;
    expect(told.at(-1)).toBe('connected medium');
  });

  test('tries again after a refusal that may pass', async () => {
    const { path, server } = await servers.serve('sink');
    server.refusal = new ProtocolError('PIPELINE_UNAVAILABLE', 'not now');
    const { told } = listenerOn(path);
    await until(() => told.length > 0);
    expect(told[0]).toBe('disconnected PIPELINE_UNAVAILABLE');
    server.refusal = undefined;
    await until(() => told.at(-1) === 'connected medium');
  });

  test('takes a bad notification for what it is, and another for none', async () => {
    const { path, server } = await servers.serve('sink');
    const { told } = listenerOn(path);
    await until(() => told.length === 1);
    server.clients[0]?.notify('of.tomorrow', { x: 1 });
    server.clients[0]?.notify('format.changed', { ...testFormat, channels: 3 });
    await until(() => told.length === 3);
    expect(told).toEqual(['connected medium', 'disconnected BAD_PARAMS', 'connected medium']);
  });

  test('reports the counters of its client, and refuses those out of bounds', async () => {
    const { path, server } = await servers.serve('sink');
    const { listener } = listenerOn(path);
    const stats = { framesReceived: 7, lossPercent: 0.5, jitterMs: 2, bufferMs: 60 };
    expect(listener.reportStats(stats)).toBe(false);
    await listener.connected();
    expect(listener.reportStats(stats)).toBe(true);
    await until(() => server.notices.length === 1);
    expect(server.notices).toEqual([['client.stats', stats]]);
    expect(() => listener.reportStats({ ...stats, lossPercent: 101 })).toThrow(
      /stats.lossPercent must be a number from 0 to 100/,
    );
  });

  test('refuses a path that is too long at once', () => {
    const path = `/tmp/${'x'.repeat(107)}`;
    expect(() => new Listener({ path, client: 'test' })).toThrow(/107 is the limit/);
  });

  test.each([
    [{ client: 'test' }, 'path must be a string, not undefined'],
    [{ path: '/tmp/x' }, 'options.client is missing (must be a string of at most 64 bytes)'],
    [{ path: '/tmp/x', client: 'x'.repeat(65) }, /^options.client must be a string of at most 64/],
  ])('says which option is wrong: %j', (options, message) => {
    expect(() => new Listener(options as ListenerOptions)).toThrow(message);
  });
});

describe('a handler that throws', () => {
  test.each([
    'connected',
    'packet',
    'gap',
    'format',
    'disconnected',
    'closed',
  ] satisfies (keyof ListenerEvents)[])(
    'at %s is an uncaught error, and nothing to the connection',
    async (event) => {
      const uncaught = uncaughtErrors();
      const { path, server } = await servers.serve('sink');
      const listener = servers.closing(new Listener({ path, client: 'test' }));
      listener.prependListener(event, () => {
        throw new ProtocolError('INTERNAL', `thrown at ${event}`);
      });
      await until(() => server.clients.length === 1);
      for (const seq of [0, 1, 5]) await sendPacket(server.clients[0], seq);
      server.clients[0]?.notify('format.changed', testFormat);
      await until(() => listener.counters.packets === 3);
      server.clients[0]?.destroy();
      await until(() => server.clients.length === 2);
      await sendPacket(server.clients[1], 6);
      await until(() => listener.counters.packets === 4);
      listener.close();
      await until(() => server.clients[1]?.closed === true && uncaught.length > 0);
      expect(new Set(uncaught)).toEqual(new Set([`thrown at ${event}`]));
      expect(server.hellos).toHaveLength(2);
    },
  );
});

describe('a closed listener', () => {
  test('is closed for good, in any state', async () => {
    const { path, server } = await servers.serve('sink');
    const { listener, told } = listenerOn(path);
    await until(() => told.length === 1);
    listener.close();
    listener.close();
    await until(() => server.clients[0]?.closed === true);
    expect(told).toEqual(['connected medium', 'closed']);
    const nowhere = listenerOn(servers.path());
    await until(() => nowhere.told.length > 0);
    nowhere.listener.close();
    expect(nowhere.told.at(-1)).toBe('closed');
    expect(server.hellos).toHaveLength(1);
  });

  test('may be closed by its own handlers', async () => {
    for (const event of ['connected', 'packet'] as const) {
      const { path, server } = await servers.serve('sink');
      const { listener, seqs } = listenerOn(path);
      listener.on(event, () => listener.close());
      await until(() => server.clients.length === 1);
      server.clients[0]?.trySend(outgoing(0, Uint8Array.of(0xf8)));
      server.clients[0]?.trySend(outgoing(1, Uint8Array.of(0xf8)));
      await until(() => server.clients[0]?.closed === true);
      expect(seqs).toEqual(event === 'packet' ? [0] : []);
    }
    const nowhere = listenerOn(servers.path());
    nowhere.listener.on('disconnected', () => nowhere.listener.close());
    await until(() => nowhere.listener.closed);
    expect(nowhere.told).toEqual(['disconnected CONNECTION_CLOSED', 'closed']);
  });

  test('while it connects leaves no connection behind, and tells nothing else', async () => {
    const { path, server } = await servers.serve('sink');
    const { listener, told } = listenerOn(path);
    listener.close();
    const other = listenerOn(path);
    await other.listener.connected();
    await until(() => server.clients.filter(({ closed }) => !closed).length === 1);
    expect(told).toEqual(['closed']);
  });

  test('is what an aborted signal makes of it, at any time', async () => {
    const { path, server } = await servers.serve('sink');
    const stop = new AbortController();
    const { listener } = listenerOn(path, { signal: stop.signal });
    await listener.connected();
    stop.abort();
    expect(listener.closed).toBe(true);
    await until(() => server.clients[0]?.closed === true);
    const never = listenerOn(path, { signal: stop.signal });
    expect(never.listener.closed).toBe(true);
    await expect(never.listener.connected()).rejects.toMatchObject({ code: 'CONNECTION_CLOSED' });
    expect(server.hellos).toHaveLength(1);
  });
});

describe('a signal that outlives what it was given to', () => {
  test('is left alone by it', async () => {
    const { path } = await servers.serve('sink');
    const { signal } = new AbortController();
    const { listener } = listenerOn(path, { signal });
    await listener.connected({ signal });
    const packets = listener.packets({ signal });
    expect(getEventListeners(signal, 'abort')).toHaveLength(2);
    await packets.return?.();
    listener.close();
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });
});

describe('a wait for the connection', () => {
  test('ends with its deadline, its signal, or the listener', async () => {
    const { listener } = listenerOn(servers.path());
    await expect(listener.connected({ deadlineMs: 10 })).rejects.toMatchObject({
      code: 'DEADLINE_EXCEEDED',
    });
    const stop = new AbortController();
    const wait = listener.connected({ signal: stop.signal });
    stop.abort(new Error('enough'));
    await expect(wait).rejects.toThrow('enough');
    const last = listener.connected();
    listener.close();
    await expect(last).rejects.toMatchObject({ code: 'CONNECTION_CLOSED' });
  });

  test('ends with an error that will not pass, and the listener goes on trying', async () => {
    const { path, server } = await servers.serve('sink');
    server.refusal = new ProtocolError('FORBIDDEN', 'not you');
    const { listener, told } = listenerOn(path);
    await expect(listener.connected()).rejects.toMatchObject({ code: 'FORBIDDEN' });
    server.refusal = undefined;
    await until(() => told.at(-1) === 'connected medium');
  });
});

describe('a loop over packets', () => {
  test('gets copies, in order, and ends when the listener is closed', async () => {
    const { path, server } = await servers.serve('sink');
    const { listener } = listenerOn(path);
    const heard: AudioPacket[] = [];
    const loop = (async () => {
      for await (const packet of listener) {
        heard.push(packet);
        if (heard.length === 3) listener.close();
      }
    })();
    await listener.connected();
    for (let seq = 0; seq < 3; seq++) await sendPacket(server.clients[0], seq);
    await loop;
    expect(heard.map(({ seq, payload }) => [seq, ...payload])).toEqual([
      [0, 0xf8, 0],
      [1, 0xf8, 1],
      [2, 0xf8, 2],
    ]);
  });

  test('that is too slow loses the oldest packets, counted', async () => {
    const { path, server } = await servers.serve('sink');
    const { listener, seqs } = listenerOn(path);
    const packets = listener.packets({ queueMs: 60 });
    await listener.connected();
    for (let seq = 0; seq < 10; seq++) await sendPacket(server.clients[0], seq);
    await until(() => seqs.length === 10);
    expect(listener.counters).toMatchObject({ packets: 10, droppedPackets: 7, missedPackets: 0 });
    const { value } = await packets.next();
    expect(value).toMatchObject({ seq: 7, flags: packetFlags.discontinuity });
  });

  test('ends with its signal, and the listener goes on', async () => {
    const { path, server } = await servers.serve('sink');
    const { listener, seqs } = listenerOn(path);
    const stop = new AbortController();
    const loop = (async () => {
      for await (const _ of listener.packets({ signal: stop.signal }));
    })();
    await listener.connected();
    stop.abort();
    await loop;
    await sendPacket(server.clients[0], 0);
    await until(() => seqs.length === 1);
    const never = listener.packets({ signal: stop.signal });
    expect(await never.next()).toEqual({ done: true, value: undefined });
    listener.close();
    expect(await listener.packets().next()).toEqual({ done: true, value: undefined });
  });

  test('outlives a loss of the connection', async () => {
    const { path, server } = await servers.serve('sink');
    const { listener } = listenerOn(path);
    const packets = listener.packets();
    await listener.connected();
    await sendPacket(server.clients[0], 1);
    expect((await packets.next()).value?.seq).toBe(1);
    server.clients[0]?.destroy();
    await until(() => server.clients.length === 2);
    await sendPacket(server.clients[1], 4);
    expect((await packets.next()).value).toMatchObject({
      seq: 4,
      flags: packetFlags.discontinuity,
    });
  });
});
