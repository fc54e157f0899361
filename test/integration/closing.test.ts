import { readdirSync, rmSync } from 'node:fs';
import net from 'node:net';
import { limits, type ProtocolError, type Role, socketPath } from '@kvm-audio/protocol';
import { outgoing } from '../helpers/outgoing.js';
import { RawClient } from '../helpers/RawClient.js';
import { TestDaemon } from '../helpers/TestDaemon.js';
import { waitFor } from '../helpers/waitFor.js';

/** Opus: 20 ms of stereo silence. */
const silence = Uint8Array.of(0xfc, 0xff, 0xfe);

// docs/closing.md names these tests line by line.
describe('closing', () => {
  let daemon: TestDaemon;
  beforeEach(async () => {
    daemon = await TestDaemon.start();
  });
  afterEach(() => daemon.discard());

  const path = (name: 'input' | 'output' | 'control'): string =>
    socketPath(daemon.runtimeFolder, name);
  const greet = (name: 'input' | 'output' | 'control', role: Role): Promise<RawClient> =>
    RawClient.greet(path(name), role);
  const clients = (direction: 'input' | 'output', count: number): Promise<unknown> =>
    daemon.waitForStatus(
      `${count} clients`,
      (status) => status[direction].stream?.clients === count,
    );

  it('a listener that closes is forgotten, and the others hear on', async () => {
    const [goes, stays] = [await greet('input', 'sink'), await greet('input', 'sink')];
    await clients('input', 2);
    goes.connection.end();
    expect(await goes.end()).toBeUndefined();
    await clients('input', 1);
    const { packets } = stays;
    await waitFor('more packets', () => stays.packets > packets + 10);
    await daemon.stop();
  });

  it('a source that closes is played out, and the next one may come', async () => {
    const first = await greet('output', 'source');
    for (let seq = 0; seq < 2; seq++) first.connection.trySend(outgoing(seq, silence, seq * 960));
    await clients('output', 1);
    first.connection.end();
    expect(await first.end()).toBeUndefined();
    const status = await daemon.waitForStatus('idle', (s) => s.output.stream?.state === 'idle');
    expect(status.output.stream?.framesReceived).toBe(2);
    const second = await greet('output', 'source');
    await clients('output', 1);
    second.connection.destroy();
    await daemon.stop();
  });

  it('a source that is replaced is told so, and closed', async () => {
    const first = await greet('output', 'source');
    const second = await RawClient.greet(path('output'), 'source', true);
    expect(await first.end()).toBeUndefined();
    expect(first.notices).toEqual(['source.replaced']);
    expect(second.closed).toBeUndefined();
    second.connection.destroy();
    await daemon.stop();
  });

  it('a client that is refused gets its answer, then the end', async () => {
    const first = await greet('output', 'source');
    const second = new RawClient(path('output'));
    const { connection } = second;
    const hello = { protocol: 1, role: 'source', client: 'second' };
    await expect(connection.request('hello', hello)).rejects.toMatchObject({
      code: 'AUDIO_ALREADY_RUNNING',
    });
    await second.end();
    expect(first.closed).toBeUndefined();
    first.connection.destroy();
    await daemon.stop();
  });

  it('a client that breaks the protocol is told why, then closed', async () => {
    const sink = await greet('input', 'sink');
    sink.connection.trySend(outgoing(0, silence));
    expect((await sink.end())?.code).toBe('ROLE_REFUSED');
    await clients('input', 0);
    await daemon.stop();
  });

  it('a client that says nothing is told so when its time is up, then closed', async () => {
    const mute = new RawClient(path('control'));
    const error = await waitFor('close', () => mute.closed, 3 * limits.helloDeadlineMs);
    expect(error.error?.code).toBe('DEADLINE_EXCEEDED');
    await daemon.stop();
  });

  it('a daemon that is stopped ends its clients, then removes its sockets', async () => {
    const all = [
      await greet('input', 'sink'),
      await greet('output', 'source'),
      await greet('control', 'control'),
    ];
    await daemon.stop();
    const ends: (ProtocolError | undefined)[] = [];
    for (const client of all) ends.push(await client.end());
    expect(ends).toEqual([undefined, undefined, undefined]);
  });

  it('a daemon that is stopped does not wait for a client that never closes', async () => {
    const open = net.connect({ path: path('control'), allowHalfOpen: true });
    await new Promise((resolve) => open.once('connect', resolve));
    await daemon.stop();
    open.destroy();
  });

  it('a client that dies in the middle of a message leaves nothing behind', async () => {
    const client = net.connect({ path: path('output') });
    client.on('error', () => undefined);
    await new Promise((resolve) => client.once('connect', resolve));
    await new Promise((resolve) => client.write(Buffer.from('0000ffff94', 'hex'), resolve));
    client.destroy();
    const source = await greet('output', 'source');
    await clients('output', 1);
    source.connection.destroy();
    await clients('output', 0);
    await daemon.stop();
  });

  it.each(['input', 'output'] as const)(
    'a killed %s pipeline cuts its clients off, and serves those that come',
    async (direction) => {
      const role = direction === 'input' ? 'sink' : 'source';
      const client = await greet(direction, role);
      const { pid } = (await daemon.status())[direction];
      process.kill(pid as number, 'SIGKILL');
      await client.end();
      // No try after another: the next connects at once and waits until it is served.
      const next = await waitFor('welcome', () => greet(direction, role));
      next.connection.destroy();
      expect((await daemon.status())[direction].restarts).toBe(1);
      await daemon.stop();
    },
  );

  it('a daemon whose sockets were removed says so, and leaves another’s alone', async () => {
    const lost = (name: 'input' | 'output' | 'control'): boolean =>
      daemon.log.includes(`"path":"${path(name)}","pid":${daemon.pid},"msg":"socket was removed`);
    rmSync(path('input'));
    await waitFor('warning of it', () => lost('input'));
    expect(lost('control') || lost('output')).toBe(false);
    rmSync(daemon.runtimeFolder, { recursive: true });
    await waitFor('warning of each', () => lost('control') && lost('output'));
    // Spelled otherwise, so that each daemon's processes are told from the other's.
    const next = await TestDaemon.start({ runtimeFolder: `${daemon.runtimeFolder}/.` });
    try {
      process.kill(daemon.pid, 'SIGTERM');
      await waitFor('end of the first', () => daemon.log.includes('"msg":"stopped"'));
      (await RawClient.greet(path('input'), 'sink')).connection.destroy();
      await next.stop();
    } finally {
      await next.discard();
    }
    expect(daemon.log.match(/socket was removed/g)).toHaveLength(3);
  });

  it('a killed daemon takes its pipelines along, and the next one takes its place', async () => {
    const client = await greet('input', 'sink');
    await daemon.kill();
    await client.end();
    expect(readdirSync(daemon.runtimeFolder).sort()).toEqual([
      'control.sock',
      'input.sock',
      'output.sock',
    ]);
    const next = await TestDaemon.start({ runtimeFolder: daemon.runtimeFolder });
    try {
      (await RawClient.greet(path('input'), 'sink')).connection.destroy();
      await next.stop();
    } finally {
      await next.discard();
    }
  });
});
