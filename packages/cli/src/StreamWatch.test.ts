import { type DaemonStatus, ProtocolError, type StreamState } from '@kvm-audio/client';
import { quietReport } from '../../../test/helpers/quietReport.js';
import { quietPipeline, quietStatus } from '../../../test/helpers/quietStatus.js';
import { StreamWatch } from './StreamWatch.js';

/** From one look to the next. */
const lookMs = 3_000;

describe('a watch of the streams', () => {
  let watch: StreamWatch;
  let said: string[];
  let asked: number;
  let answer: () => Promise<DaemonStatus>;

  /** That the output is in this state, while the input runs. */
  const says = (state: StreamState) => async () =>
    quietStatus({ output: quietPipeline({ stream: quietReport({ state, reason: 'why' }) }) });

  beforeEach(() => {
    jest.useFakeTimers();
    said = [];
    asked = 0;
    answer = says('running');
    watch = new StreamWatch(
      () => {
        asked += 1;
        return answer();
      },
      (side, state, reason) => said.push(`${side} ${state} ${reason}`),
    );
  });

  afterEach(() => {
    watch.close();
    jest.useRealTimers();
  });

  const look = () => jest.advanceTimersByTimeAsync(lookMs);

  test('asks at once, and tells of each stream that there is', async () => {
    await jest.advanceTimersByTimeAsync(0);
    expect(said).toEqual(['output running why', 'input running null']);
    answer = async () => quietStatus({ output: quietPipeline({ stream: null }) });
    await look();
    expect(said.slice(2)).toEqual(['input running null']);
  });

  test('does not ask while both run and the delay of the output changes', async () => {
    for (let second = 0; second < 60; second += 2.5) {
      watch.noteDelay(25 + second / 48);
      await jest.advanceTimersByTimeAsync(2_500);
    }
    expect(asked).toBe(1);
  });

  test.each([
    ['there is no feedback', () => undefined],
    ['the delay of the output stands still', () => watch.noteDelay(70)],
  ])('asks where %s', async (_, feedback) => {
    watch.noteDelay(70);
    await look();
    expect(asked).toBe(1);
    feedback();
    await look();
    expect(asked).toBe(2);
  });

  test('asks until both run again', async () => {
    answer = says('host-idle');
    await look();
    expect(said.at(-2)).toBe('output host-idle why');
    answer = says('running');
    for (const delayMs of [24, 25, 26]) {
      watch.noteDelay(delayMs);
      await look();
    }
    expect(asked).toBe(3);
    expect(said.at(-2)).toBe('output running why');
  });

  test('has one question at a time', async () => {
    answer = () => new Promise(() => undefined);
    for (let i = 0; i < 3; i++) await look();
    expect(asked).toBe(2);
  });

  test('asks again after no answer, and never after a refusal', async () => {
    answer = () => Promise.reject(new ProtocolError('CONNECTION_CLOSED', 'nobody'));
    for (let i = 0; i < 3; i++) await look();
    expect(asked).toBe(4);
    answer = () => Promise.reject(new ProtocolError('FORBIDDEN', 'not you'));
    for (let i = 0; i < 3; i++) await look();
    expect(asked).toBe(5);
  });

  test('tells nothing once it is closed', async () => {
    let tell = (_status: DaemonStatus): void => undefined;
    answer = () =>
      new Promise((resolve) => {
        tell = resolve;
      });
    await look();
    const before = said.length;
    watch.close();
    tell(quietStatus());
    await look();
    expect(said).toHaveLength(before);
    expect(asked).toBe(2);
  });
});
