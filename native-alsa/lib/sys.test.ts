import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import net from 'node:net';
import { tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { until } from '../test/VirtualCard.js';
import { loadAddon } from './sys/addon.js';
import {
  duplicateFd,
  listenUnix,
  lockFile,
  machine,
  type Peer,
  peerOf,
  processCpuMs,
  socketPair,
  UnixListener,
  unmapUnused,
} from './sys.js';

const folder = mkdtempSync(join(tmpdir(), 'ka-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const codeOf = (action: () => unknown): string | undefined => {
  try {
    action();
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  }
};

async function connect(path: string): Promise<net.Socket> {
  const socket = net.connect({ path });
  await new Promise((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  return socket;
}

describe('listening', () => {
  test('begins before anybody accepts, and goes from one acceptor to the next', async () => {
    const path = join(folder, 'a');
    const fd = listenUnix(path, 0o640);
    expect(statSync(path).mode & 0o777).toBe(0o640);
    const clients = [await connect(path), await connect(path)];
    const peers: Peer[] = [];
    const take = (accepted: number): void => {
      peers.push(peerOf(accepted));
      closeSync(accepted);
    };
    const first = new UnixListener(duplicateFd(fd), take);
    await until(() => peers.length === 2);
    first.close();
    first.close();
    clients.push(await connect(path));
    const second = new UnixListener(fd, take);
    await until(() => peers.length === 3);
    second.close();
    await expect(connect(path)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    for (const client of clients) client.destroy();
    const me = { pid: process.pid, uid: process.getuid?.(), gid: process.getgid?.() };
    expect(peers[0]).toMatchObject(me);
    // Node's list has the process's own group too, which need not be among the others.
    const others = process.getgroups?.().filter((gid) => gid !== process.getgid?.()) ?? [];
    expect(peers[0]?.groups).toEqual(expect.arrayContaining(others));
  });

  test('fails with the system’s error', () => {
    const path = join(folder, 'b');
    closeSync(listenUnix(path));
    expect(codeOf(() => listenUnix(path))).toBe('EADDRINUSE');
    expect(codeOf(() => listenUnix(join(folder, 'no', 'where')))).toBe('ENOENT');
    expect(codeOf(() => listenUnix(`/tmp/${'x'.repeat(110)}`))).toBe('ENAMETOOLONG');
  });
});

describe('a lock', () => {
  test('is held by one until it lets go', () => {
    const fd = lockFile(folder);
    expect(fd).toBeGreaterThan(2);
    expect(lockFile(folder)).toBeUndefined();
    closeSync(fd ?? -1);
    const again = lockFile(folder);
    expect(again).toBeDefined();
    closeSync(again ?? -1);
    expect(codeOf(() => lockFile(join(folder, 'none')))).toBe('ENOENT');
  });

  test('ends with the process that held it', () => {
    const held = spawnSync('flock', ['--nonblock', folder, 'true']);
    expect(held.status).toBe(0);
    const fd = lockFile(folder);
    expect(spawnSync('flock', ['--nonblock', folder, 'true']).status).toBe(1);
    closeSync(fd ?? -1);
  });
});

test('a socket pair is two ends of one connection', () => {
  const [one, other] = socketPair();
  expect(peerOf(one).pid).toBe(process.pid);
  closeSync(one);
  closeSync(other);
});

test('what is no socket has no peer', () => {
  const fd = lockFile(folder) ?? -1;
  expect(codeOf(() => peerOf(fd))).toBe('ENOTSOCK');
  closeSync(fd);
  expect(codeOf(() => duplicateFd(9_999))).toBe('EBADF');
});

test('a process takes CPU time, and one that is not there is no process', () => {
  const beforeMs = processCpuMs(process.pid);
  const { user, system } = process.cpuUsage();
  const afterMs = processCpuMs(process.pid);
  expect(beforeMs).toBeLessThanOrEqual((user + system) / 1_000);
  // Both are rounded.
  expect(afterMs).toBeGreaterThanOrEqual((user + system) / 1_000 - 0.01);
  // No id is above 2^22.
  expect(codeOf(() => processCpuMs(2 ** 22 + 1))).toBe('ESRCH');
});

test('the machine says what /proc counts in, as getconf does', () => {
  const getconf = (name: string): number =>
    Number(spawnSync('getconf', [name], { encoding: 'utf8' }).stdout);
  expect(machine()).toEqual({
    pageBytes: getconf('PAGE_SIZE'),
    memoryBytes: getconf('_PHYS_PAGES') * getconf('PAGE_SIZE'),
  });
  expect(machine().memoryBytes).toBe(totalmem());
});

test('what the start needed of files is unmapped, and mapped again where it is used', async () => {
  const fileKb = (): number =>
    Number(/^RssFile:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);
  const text = JSON.stringify(Array.from({ length: 1_000 }, (_, i) => ({ i, text: `${i}` })));
  const before = fileKb();
  unmapUnused();
  await until(() => fileKb() < before - 10_000);
  expect(JSON.stringify(JSON.parse(text))).toBe(text);
  expect(spawnSync('true').status).toBe(0);
});

test.each([
  [{ code: 'MODULE_NOT_FOUND' }, 'the sys addon is not built: run `make build`'],
  [{ code: 'ERR_DLOPEN_FAILED' }, 'the sys addon does not load: boom'],
])('an addon that cannot be loaded says what to do', (facts, message) => {
  const load = (): never => {
    throw Object.assign(new Error('boom'), facts);
  };
  expect(() => loadAddon(load)).toThrow(message);
});
