import {
  type AudioPacket,
  type Connection,
  limits,
  ProtocolError,
  type Role,
} from '@kvm-audio/protocol';
import { outgoing } from '../../../test/helpers/outgoing.js';
import { ProtocolServer, testFormat } from '../../../test/helpers/ProtocolServer.js';
import { makeSocketFolder } from '../../../test/helpers/socketFolder.js';
import { until } from '../../../test/helpers/until.js';
import { ControlClient } from './ControlClient.js';
import { Listener } from './Listener.js';
import { Talker } from './Talker.js';

const folder = makeSocketFolder();
const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers) close();
  closers.length = 0;
});
afterAll(() => folder.remove());
let sockets = 0;

async function serving(...roles: Role[]): Promise<{ path: string; server: ProtocolServer }> {
  const path = folder.path(`${sockets++}`);
  const server = new ProtocolServer(path, roles);
  await server.listen();
  closers.push(() => server.die());
  return { path, server };
}

function listenerOn(path: string): { listener: Listener; told: string[]; seqs: number[] } {
  const listener = new Listener({ path, client: 'test' });
  closers.push(() => listener.close());
  const told: string[] = [];
  const seqs: number[] = [];
  listener.on('connected', ({ level }) => told.push(`connected ${level}`));
  listener.on('format', ({ level }) => told.push(`format ${level}`));
  listener.on('disconnected', (error) => told.push(`disconnected ${error?.code ?? ''}`.trim()));
  listener.on('packet', ({ seq }) => seqs.push(seq));
  return { listener, told, seqs };
}

function talkerOn(path: string, takeover?: boolean): { talker: Talker; told: string[] } {
  const options = { path, client: 'test' };
  const talker = new Talker(takeover === undefined ? options : { ...options, takeover });
  closers.push(() => talker.close());
  const told: string[] = [];
  talker.on('connected', ({ level }) => told.push(`connected ${level}`));
  talker.on('format', ({ level }) => told.push(`format ${level}`));
  talker.on('replaced', () => told.push('replaced'));
  talker.on('disconnected', (error) => told.push(`disconnected ${error?.code ?? ''}`.trim()));
  return { talker, told };
}

async function sendPacket(connection: Connection | undefined, seq: number): Promise<void> {
  const packet = outgoing(seq, Uint8Array.of(0xf8, 0xf8, 0xf8), seq * 480);
  await until(() => connection?.trySend(packet) === true);
}

const packetOf = (seq: number, payload = Uint8Array.of(0xf8, seq)): AudioPacket => ({
  seq,
  mediaTime: seq * 480,
  captureTimeUs: undefined,
  flags: 0,
  payload,
});

describe('a control client', () => {
  test('asks and gets answers, and errors with their codes', async () => {
    const { path, server } = await serving('control');
    server.onRequest = (method, params) => {
      if (method === 'quality.set') throw new ProtocolError('FORBIDDEN', 'no');
      return [method, params];
    };
    const client = await ControlClient.open({ path, client: 'ctl' });
    expect(server.hellos).toEqual([{ protocol: 1, role: 'control', client: 'ctl' }]);
    await expect(client.call('quality.get', { direction: 'input' })).resolves.toEqual([
      'quality.get',
      { direction: 'input' },
    ]);
    await expect(
      client.call('quality.set', { direction: 'input', level: 'low' }),
    ).rejects.toMatchObject({ code: 'FORBIDDEN', retryable: false });
    client.close();
    client.close();
    await expect(client.call('status.get', {})).rejects.toMatchObject({
      code: 'CONNECTION_CLOSED',
    });
  });

  test('gives up on an answer after the deadline that it is given', async () => {
    const { path, server } = await serving('control');
    server.onRequest = () => new Promise(() => undefined);
    const client = await ControlClient.open({ path, client: 'ctl' });
    await expect(client.call('status.get', {}, 10)).rejects.toMatchObject({
      code: 'DEADLINE_EXCEEDED',
    });
    client.close();
  });

  test('names the path where no daemon listens', async () => {
    const path = folder.path('nobody');
    await expect(ControlClient.open({ path, client: 'ctl' })).rejects.toMatchObject({
      code: 'CONNECTION_CLOSED',
      message: `nobody answers on ${path} (ENOENT)`,
      retryable: true,
      data: { code: 'ENOENT' },
    });
  });

  test('names a path that is too long for a socket', async () => {
    const path = `/tmp/${'x'.repeat(limits.socketPathBytesMax)}`;
    await expect(ControlClient.open({ path, client: 'ctl' })).rejects.toThrow(/107 is the limit/);
  });

  test('is told why the daemon refuses it', async () => {
    const { path } = await serving('sink');
    await expect(ControlClient.open({ path, client: 'ctl' })).rejects.toMatchObject({
      code: 'ROLE_REFUSED',
    });
  });
});

describe('a listener', () => {
  test('gets the format, then packets, then what changes', async () => {
    const { path, server } = await serving('sink');
    const { told, seqs } = listenerOn(path);
    await until(() => told.length === 1);
    for (let seq = 0; seq < 5; seq++) await sendPacket(server.clients[0], seq);
    server.clients[0]?.notify('format.changed', { ...testFormat, level: 'high' });
    await until(() => told.length === 2);
    expect(told).toEqual(['connected medium', 'format high']);
    expect(seqs).toEqual([0, 1, 2, 3, 4]);
  });

  test('connects again at once when the daemon dies, and listens on', async () => {
    const { path, server } = await serving('sink');
    const { told, seqs } = listenerOn(path);
    await until(() => server.clients.length === 1 && told.length === 1);
    server.clients[0]?.destroy();
    await until(() => told.length === 3);
    expect(told).toEqual(['connected medium', 'disconnected', 'connected medium']);
    await sendPacket(server.clients[1], 9);
    await until(() => seqs.length === 1);
  });

  test('waits for a daemon that comes later', async () => {
    const path = folder.path(`${sockets++}`);
    const { told } = listenerOn(path);
    await until(() => told.length > 0);
    expect(told[0]).toBe('disconnected CONNECTION_CLOSED');
    const server = new ProtocolServer(path, ['sink']);
    await server.listen();
    closers.push(() => server.die());
    await until(() => told.at(-1) === 'connected medium');
  });

  test('tries again after a refusal that may pass', async () => {
    const { path, server } = await serving('sink');
    server.refusal = new ProtocolError('PIPELINE_UNAVAILABLE', 'not now');
    const { told } = listenerOn(path);
    await until(() => told.length > 0);
    expect(told[0]).toBe('disconnected PIPELINE_UNAVAILABLE');
    server.refusal = undefined;
    await until(() => told.at(-1) === 'connected medium');
  });

  test('closes for good, in any state', async () => {
    const { path, server } = await serving('sink');
    const { listener, told } = listenerOn(path);
    await until(() => told.length === 1);
    listener.close();
    listener.close();
    await until(() => server.clients[0]?.closed === true);
    const nowhere = listenerOn(folder.path('nobody'));
    await until(() => nowhere.told.length > 0);
    nowhere.listener.close();
    expect(server.hellos).toHaveLength(1);
  });

  test('closed while it connects does not stay connected, and tells nothing', async () => {
    const { path, server } = await serving('sink');
    const { listener, told } = listenerOn(path);
    listener.close();
    await until(() => server.clients[0]?.closed === true);
    expect(told).toEqual([]);
  });
});

describe('a talker', () => {
  test('sends packets in order, from a copy of the payload', async () => {
    const { path, server } = await serving('source');
    const { talker, told } = talkerOn(path);
    await until(() => told.length === 1);
    const payload = Buffer.from([0xf8, 0]);
    for (let seq = 0; seq < 10; seq++) {
      payload[1] = seq;
      expect(talker.send(packetOf(seq, payload))).toBe(true);
    }
    await until(() => server.packets.length === 10);
    expect(server.packets).toEqual(
      Array.from({ length: 10 }, (_, seq) => ({
        seq,
        mediaTime: seq * 480,
        payload: [0xf8, seq],
      })),
    );
  });

  test('drops what it is given while there is no connection, and says so', async () => {
    const { talker, told } = talkerOn(folder.path('nobody'));
    expect(talker.send(packetOf(0))).toBe(false);
    await until(() => told.length > 0);
    expect(talker.send(packetOf(1))).toBe(false);
  });

  test.each([0, 4_097])('refuses a payload of %i bytes', async (bytes) => {
    const { path } = await serving('source');
    const { talker, told } = talkerOn(path);
    await until(() => told.length === 1);
    expect(() => talker.send(packetOf(0, new Uint8Array(bytes)))).toThrow(RangeError);
  });

  test('asks for a takeover only where it is told to', async () => {
    const { path, server } = await serving('source');
    talkerOn(path);
    await until(() => server.hellos.length === 1);
    talkerOn(path, true);
    await until(() => server.hellos.length === 2);
    expect(server.hellos.map(({ takeover }) => takeover)).toEqual([undefined, true]);
  });

  test('that was replaced says so and stays away', async () => {
    const { path, server } = await serving('source');
    const { talker, told } = talkerOn(path);
    await until(() => told.length === 1);
    server.clients[0]?.notify('source.replaced', { by: 'other' });
    server.clients[0]?.end();
    await until(() => told.includes('replaced') && !talker.send(packetOf(0)));
    const other = talkerOn(path);
    await until(() => other.told.length === 1);
    expect(server.hellos).toHaveLength(2);
  });

  test('closed while it connects does not hold the place of the source', async () => {
    const { path, server } = await serving('source');
    const { talker, told } = talkerOn(path);
    talker.close();
    await until(() => server.clients[0]?.closed === true);
    expect(told).toEqual([]);
    expect(talker.send(packetOf(0))).toBe(false);
  });

  test('sends again after the daemon came back', async () => {
    const { path, server } = await serving('source');
    const { talker, told } = talkerOn(path);
    await until(() => told.length === 1);
    server.clients[0]?.destroy();
    await until(() => told.length === 3);
    expect(talker.send(packetOf(7))).toBe(true);
    await until(() => server.packets.length === 1);
  });

  test('follows the format that is asked for', async () => {
    const { path, server } = await serving('source');
    const { told } = talkerOn(path);
    await until(() => told.length === 1);
    server.clients[0]?.notify('format.changed', { ...testFormat, level: 'ultra' });
    await until(() => told.length === 2);
    expect(told[1]).toBe('format ultra');
  });
});
