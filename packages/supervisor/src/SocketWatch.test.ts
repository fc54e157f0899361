import { renameSync, rmSync } from 'node:fs';
import type { Log } from '@kvm-audio/daemon';
import { makeSocketFolder } from '../../../test/helpers/socketFolder.js';
import { waitFor } from '../../../test/helpers/waitFor.js';
import { BoundSocket } from './BoundSocket.js';
import { SocketWatch } from './SocketWatch.js';

const folder = makeSocketFolder();
afterAll(() => folder.remove());

const tenMinutesMs = 600_000;

test('a socket that was removed is told at once, and each ten minutes while it is', async () => {
  jest.useFakeTimers({ doNotFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'performance'] });
  const sockets = ['a', 'b'].map((name) => new BoundSocket(folder.path(name), false));
  const [a = '', b = ''] = sockets.map(({ path }) => path);
  const told: string[] = [];
  const warn = ({ path }: { path: string }): number => told.push(path);
  const watch = new SocketWatch(folder.path('.'), sockets, { warn } as unknown as Log);
  try {
    jest.advanceTimersByTime(tenMinutesMs);
    expect(told).toEqual([]);
    renameSync(a, `${a}-away`);
    rmSync(b);
    await waitFor('both to be told', () => told.length === 2);
    jest.advanceTimersByTime(tenMinutesMs - 1);
    expect(told).toEqual([a, b]);
    jest.advanceTimersByTime(1);
    expect(told).toEqual([a, b, a, b]);
    renameSync(`${a}-away`, a);
    jest.advanceTimersByTime(tenMinutesMs);
    expect(told).toEqual([a, b, a, b, b]);
    watch.close();
    jest.advanceTimersByTime(tenMinutesMs);
    expect(told).toHaveLength(5);
  } finally {
    watch.close();
    for (const socket of sockets) socket.close();
    jest.useRealTimers();
  }
});
