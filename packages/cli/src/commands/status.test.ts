import type { DaemonStatus } from '@kvm-audio/client';
import { isUp } from './status.js';

type Side = { state: string; stream: { state: string } | null };

const status = (output: Side, input: Side) => ({ output, input }) as unknown as DaemonStatus;
const idle: Side = { state: 'running', stream: { state: 'idle' } };

test.each(['idle', 'running', 'no-device', 'host-idle', 'no-signal', 'degraded'])(
  'a daemon whose streams are %s is up',
  (state) => {
    expect(isUp(status(idle, { state: 'running', stream: { state } }))).toBe(true);
  },
);

test.each([
  ['running', { state: 'starting' }],
  ['running', null],
  ['starting', null],
  ['backoff', { state: 'idle' }],
  ['failed', { state: 'idle' }],
])('it is not where a pipeline is %s with %j', (state, stream) => {
  expect(isUp(status({ state, stream }, idle))).toBe(false);
  expect(isUp(status(idle, { state, stream }))).toBe(false);
});
