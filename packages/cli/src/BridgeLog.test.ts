import { ProtocolError } from '@kvm-audio/client';
import { BridgeLog } from './BridgeLog.js';

const nobody = new ProtocolError('CONNECTION_CLOSED', 'nobody answers on /a (ENOENT)');
const broken = new ProtocolError('CONNECTION_CLOSED', 'the connection broke (ECONNRESET)');

describe('what a bridge says', () => {
  let lines: string[];
  let log: BridgeLog;

  beforeEach(() => {
    lines = [];
    log = new BridgeLog((line) => lines.push(line));
  });

  test('is each trouble once, also where both sides alternate', () => {
    for (let i = 0; i < 3; i++) {
      log.disconnected('input', nobody);
      log.disconnected('output', nobody);
      log.disconnected('output', broken);
    }
    expect(lines).toEqual([
      'input not connected: nobody answers on /a (ENOENT); trying again',
      'output not connected: nobody answers on /a (ENOENT); trying again',
      'output not connected: the connection broke (ECONNRESET); trying again',
    ]);
  });

  test('is a trouble once whose seconds pass', () => {
    const backoff = (seconds: number) =>
      new ProtocolError('PIPELINE_UNAVAILABLE', `backoff (exit code 1), next try in ${seconds} s`);
    for (const seconds of [4.5, 4.4, 3]) log.disconnected('output', backoff(seconds));
    log.disconnected('output', new ProtocolError('PIPELINE_UNAVAILABLE', 'backoff (exit code 2)'));
    expect(lines).toEqual([
      'output not connected: backoff (exit code 1), next try in 4.5 s; trying again',
      'output not connected: backoff (exit code 2); trying again',
    ]);
  });

  test('is `lost` only of a connection that was there', () => {
    log.connected('output');
    log.disconnected('output', broken);
    log.disconnected('output', broken);
    log.disconnected('input', undefined);
    expect(lines).toEqual([
      'output connected',
      'output lost: the connection broke (ECONNRESET); trying again',
      'output not connected: the connection broke (ECONNRESET); trying again',
      'input not connected: the daemon closed the connection; trying again',
    ]);
  });

  test('is the same trouble again after a connection', () => {
    for (let i = 0; i < 2; i++) {
      log.connected('input');
      log.disconnected('input', broken);
    }
    expect(lines).toHaveLength(4);
  });

  test('is a stream that is not heard, and one that is again, in one line each', () => {
    const no = 'the card is not there';
    log.connected('output');
    log.connected('input');
    for (const state of ['running', 'no-device', 'no-device', 'idle', 'running'] as const)
      log.streamIs('output', state, state === 'no-device' ? no : null);
    for (const state of ['no-device', 'no-signal', 'no-signal', 'running'] as const)
      log.streamIs('input', state, state === 'running' ? null : `${no}\n`);
    log.streamIs('output', 'host-idle', null);
    expect(lines.slice(2)).toEqual([
      'output is not heard (no-device): the card is not there',
      'output is heard again',
      'input hears nothing (no-device): the card is not there\\u000a',
      'input hears nothing (no-signal): the card is not there\\u000a',
      'input hears again',
      'output is not heard (host-idle)',
    ]);
  });

  test('is not that something is heard again, until it is', () => {
    log.connected('output');
    for (const state of ['host-idle', 'idle', 'starting', 'degraded', 'idle', 'running'] as const)
      log.streamIs('output', state, null);
    expect(lines.slice(1)).toEqual([
      'output is not heard (host-idle)',
      'output is not heard (degraded)',
      'output is heard again',
    ]);
  });

  test('is nothing of a stream that it is not connected to, and all anew when it is again', () => {
    log.streamIs('output', 'host-idle', 'it sleeps');
    expect(lines).toEqual([]);
    for (let i = 0; i < 2; i++) {
      log.connected('output');
      log.streamIs('output', 'host-idle', 'it sleeps');
      log.disconnected('output', broken);
    }
    log.connected('output');
    log.streamIs('output', 'running', null);
    const silent = 'output is not heard (host-idle): it sleeps';
    expect(lines.filter((line) => line === silent)).toHaveLength(2);
    expect(lines.at(-1)).toBe('output connected');
  });

  test('is on one line whatever the other end says', () => {
    log.disconnected('input', new ProtocolError('INTERNAL', 'a\n\x1b[31m'));
    expect(lines).toEqual(['input not connected: a\\u000a\\u001b[31m; trying again']);
  });
});
