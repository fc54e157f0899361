import type { Peer } from '@kvm-audio/native-alsa/sys';
import { forbidden, isInOurGroup, isTrusted, refuseClient } from './access.js';
import { loadConfig } from './config/loadConfig.js';

const ours = { uid: process.getuid?.() ?? -1, gid: process.getgid?.() ?? -1 };
const stranger: Peer = { pid: 1, uid: 4_001, gid: 4_002, groups: [4_003] };

describe('a peer', () => {
  test.each([
    ['root', { ...stranger, uid: 0 }, [], true],
    ['the daemon’s user', { ...stranger, uid: ours.uid }, [], true],
    ['a named user', stranger, [7, 4_001], true],
    ['a stranger', stranger, [7], false],
    ['somebody of our group', { ...stranger, gid: ours.gid }, [], false],
  ])('that is %s is trusted or not', (_, peer, uids, trusted) => {
    expect(isTrusted(peer, uids)).toBe(trusted);
  });

  test.each([
    ['by its own group', { ...stranger, gid: ours.gid }, true],
    ['by another of its groups', { ...stranger, groups: [1, ours.gid] }, true],
    ['by none', stranger, false],
  ])('is in our group %s', (_, peer, isIn) => {
    expect(isInOurGroup(peer)).toBe(isIn);
  });

  test('that may not be a client is told who may, with its number', () => {
    const config = loadConfig(undefined);
    expect(refuseClient({ ...stranger, gid: ours.gid }, config)).toBeUndefined();
    expect(refuseClient(stranger, { ...config, clients: { uids: [4_001] } })).toBeUndefined();
    expect(refuseClient(stranger, config)).toMatchObject({
      code: 'FORBIDDEN',
      message: 'user 4001 may not be a client; clients.uids in the configuration names who may',
      data: { uid: 4_001 },
    });
    expect(forbidden(stranger, 'look', 'control.uids').retryable).toBe(false);
  });
});
