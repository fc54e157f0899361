import { limits, ProtocolError } from '@kvm-audio/protocol';
import { ProtocolServers } from '../../../test/helpers/ProtocolServers.js';
import { until } from '../../../test/helpers/until.js';
import { ControlClient, type ControlClientOptions } from './ControlClient.js';

const servers = new ProtocolServers();
afterEach(() => servers.closeAll());
afterAll(() => servers.remove());

const open = async (
  path: string,
  options: Partial<ControlClientOptions> = {},
): Promise<ControlClient> =>
  servers.closing(await ControlClient.open({ path, client: 'ctl', ...options }));

describe('a control client', () => {
  test('asks and gets answers, and errors with their codes', async () => {
    const { path, server } = await servers.serve('control');
    server.onRequest = (method, params) => {
      if (method === 'quality.set') throw new ProtocolError('FORBIDDEN', 'no');
      return [method, params];
    };
    const client = await open(path);
    expect(server.hellos).toEqual([{ protocol: 1, role: 'control', client: 'ctl' }]);
    await expect(client.call('quality.get', { direction: 'input' })).resolves.toEqual([
      'quality.get',
      { direction: 'input' },
    ]);
    await expect(
      client.call('quality.set', { direction: 'input', level: 'low' }),
    ).rejects.toMatchObject({ code: 'FORBIDDEN', retryable: false });
  });

  test('gives up on an answer after the deadline, or when its signal says so', async () => {
    const { path, server } = await servers.serve('control');
    server.onRequest = () => new Promise(() => undefined);
    const client = await open(path);
    await expect(client.call('status.get', {}, { deadlineMs: 10 })).rejects.toMatchObject({
      code: 'DEADLINE_EXCEEDED',
    });
    const stop = new AbortController();
    const call = client.call('status.get', {}, { signal: stop.signal });
    stop.abort(new Error('enough'));
    await expect(call).rejects.toThrow('enough');
    await expect(client.call('status.get', {}, { signal: stop.signal })).rejects.toThrow('enough');
    await expect(client.call('status.get', {}, { deadlineMs: 0 })).rejects.toThrow(RangeError);
    server.onRequest = () => 'still here';
    await expect(client.call('status.get', {})).resolves.toBe('still here');
  });

  test('is closed once, and tells it', async () => {
    const { path } = await servers.serve('control');
    const client = await open(path);
    const closes: unknown[] = [];
    client.on('closed', (error) => closes.push(error));
    expect(client.closed).toBe(false);
    client.close();
    client.close();
    expect(client.closed).toBe(true);
    await until(() => closes.length > 0);
    expect(closes).toEqual([undefined]);
    await expect(client.call('status.get', {})).rejects.toMatchObject({
      code: 'CONNECTION_CLOSED',
    });
  });

  test('is told when the daemon dies, and so is who waits', async () => {
    const { path, server } = await servers.serve('control');
    server.onRequest = () => new Promise(() => undefined);
    const client = await open(path);
    let closed = false;
    client.on('closed', () => {
      closed = true;
    });
    const call = client.call('status.get', {});
    server.clients[0]?.destroy();
    await expect(call).rejects.toMatchObject({ code: 'CONNECTION_CLOSED' });
    expect(closed).toBe(true);
  });

  test('names the path where no daemon listens', async () => {
    const path = servers.path();
    await expect(open(path)).rejects.toMatchObject({
      code: 'CONNECTION_CLOSED',
      message: `nobody answers on ${path} (ENOENT)`,
      retryable: true,
      data: { code: 'ENOENT' },
    });
  });

  test('names a path that is too long for a socket', async () => {
    const path = `/tmp/${'x'.repeat(limits.socketPathBytesMax)}`;
    await expect(open(path)).rejects.toThrow(/107 is the limit/);
  });

  test('is told why the daemon refuses it', async () => {
    const { path } = await servers.serve('sink');
    await expect(open(path)).rejects.toMatchObject({ code: 'ROLE_REFUSED' });
  });

  test('is not opened, or closed, by its signal', async () => {
    const { path, server } = await servers.serve('control');
    const aborted = AbortSignal.abort(new Error('never'));
    await expect(open(path, { signal: aborted })).rejects.toThrow('never');
    const stop = new AbortController();
    const opening = open(path, { signal: stop.signal });
    stop.abort(new Error('not now'));
    await expect(opening).rejects.toThrow('not now');
    const late = new AbortController();
    const client = await open(path, { signal: late.signal });
    late.abort();
    expect(client.closed).toBe(true);
    await until(() => server.clients.every(({ closed }) => closed));
  });
});
