import { type ErrorCode, ProtocolError } from '@kvm-audio/client';
import { BridgePatience } from './BridgePatience.js';

const error = (code: ErrorCode, system?: string) =>
  new ProtocolError(code, 'why', system === undefined ? undefined : { code: system });
const nobody = error('CONNECTION_CLOSED', 'ENOENT');
const forbidden = error('FORBIDDEN', 'EACCES');
const taken = error('AUDIO_ALREADY_RUNNING');

describe('a bridge', () => {
  let reasons: ProtocolError[];
  const patience = (waitSeconds = 0) =>
    new BridgePatience(waitSeconds, (reason) => reasons.push(reason));

  beforeEach(() => {
    reasons = [];
    jest.useFakeTimers();
  });
  afterEach(() => {
    expect(jest.getTimerCount()).toBe(0);
    jest.useRealTimers();
  });

  test.each([
    ['nobody ever answered', nobody],
    ['nobody listens on its socket', error('CONNECTION_CLOSED', 'ECONNREFUSED')],
    ['it may not', forbidden],
    ['another source plays', taken],
    ['the daemon speaks another version', error('PROTOCOL_VERSION')],
  ])('gives up at once where %s', (_, reason) => {
    expect(patience().goesOn('output', reason)).toBe(false);
    expect(reasons).toEqual([reason]);
  });

  test.each([
    ['a pipeline restarts', error('PIPELINE_UNAVAILABLE')],
    ['a pipeline died before it answered', error('CONNECTION_CLOSED', 'ECONNRESET')],
    ['all places are taken', error('TOO_MANY_CLIENTS')],
    ['the daemon closed it', undefined],
  ])('goes on where %s', (_, reason) => {
    expect(patience().goesOn('output', reason)).toBe(true);
    expect(reasons).toEqual([]);
  });

  test('goes on for ever on a side that was connected once', () => {
    const one = patience();
    one.connected('output');
    for (const reason of [nobody, taken, forbidden])
      expect(one.goesOn('output', reason)).toBe(true);
    expect(reasons).toEqual([]);
  });

  test('waits for the other side where one was connected, but not against a refusal', () => {
    const one = patience();
    one.connected('input');
    expect(one.goesOn('output', nobody)).toBe(true);
    expect(one.goesOn('output', taken)).toBe(false);
    expect(reasons).toEqual([taken]);
  });

  test('waits for a daemon for as long as it was told to', () => {
    const one = patience(10);
    jest.advanceTimersByTime(9_999);
    expect(one.goesOn('input', nobody)).toBe(true);
    expect(reasons).toEqual([]);
    jest.advanceTimersByTime(1);
    expect(reasons).toEqual([nobody]);
  });

  test('that waited says so also where the next try ends after the time', () => {
    const one = patience(10);
    jest.advanceTimersByTime(10_000);
    expect(reasons).toEqual([]);
    expect(one.goesOn('input', nobody)).toBe(false);
    expect(reasons).toEqual([nobody]);
  });

  test.each([['connected'], ['answered'], ['closed']])('waits no more when it is %s', (how) => {
    const one = patience(10);
    one.goesOn('input', nobody);
    if (how === 'connected') one.connected('input');
    else if (how === 'closed') one.end();
    else one.goesOn('input', error('PIPELINE_UNAVAILABLE'));
    jest.advanceTimersByTime(20_000);
    expect(reasons).toEqual([]);
  });

  test('does not wait where it may not', () => {
    expect(patience(10).goesOn('input', forbidden)).toBe(false);
    expect(reasons).toEqual([forbidden]);
  });
});
