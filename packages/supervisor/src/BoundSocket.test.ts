import { existsSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { FatalError } from '@kvm-audio/daemon';
import { makeSocketFolder } from '../../../test/helpers/socketFolder.js';
import { BoundSocket } from './BoundSocket.js';

const folder = makeSocketFolder();
afterAll(() => folder.remove());

describe('a bound socket', () => {
  test.each([
    [false, 0o660],
    [true, 0o666],
  ])('may be connected to by whom it is meant for (open: %s)', (open, mode) => {
    const path = folder.path(`mode-${open}`);
    const socket = new BoundSocket(path, open);
    expect(statSync(path).isSocket()).toBe(true);
    expect(statSync(path).mode & 0o777).toBe(mode);
    socket.close();
  });

  test('lets clients wait before anybody accepts', async () => {
    const socket = new BoundSocket(folder.path('wait'), false);
    const client = net.connect({ path: socket.path });
    await new Promise<void>((resolve) => client.once('connect', resolve));
    client.destroy();
    socket.close();
  });

  test('takes the place of what a dead daemon left', () => {
    const path = folder.path('stale');
    writeFileSync(path, '');
    new BoundSocket(path, false).close();
    const left = new BoundSocket(path, false);
    const next = new BoundSocket(path, false);
    left.close();
    expect(existsSync(path)).toBe(true);
    next.close();
    expect(existsSync(path)).toBe(false);
  });

  test('knows whether its file is there, and is its own', () => {
    const path = folder.path('watched');
    const socket = new BoundSocket(path, false);
    expect(socket.isReachable).toBe(true);
    rmSync(path);
    expect(socket.isReachable).toBe(false);
    writeFileSync(path, '');
    expect(socket.isReachable).toBe(false);
    socket.close();
    expect(existsSync(path)).toBe(true);
  });

  test('takes its file away, once', () => {
    const socket = new BoundSocket(folder.path('gone'), false);
    socket.close();
    socket.close();
    expect(existsSync(socket.path)).toBe(false);
  });

  test('says which path it cannot have, and why', () => {
    const path = folder.path('directory');
    mkdirSync(path);
    expect(() => new BoundSocket(path, false)).toThrow(FatalError);
    expect(() => new BoundSocket(path, false)).toThrow(`cannot listen on ${path} (`);
  });
});
