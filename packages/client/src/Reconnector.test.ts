import { ProtocolError } from '@kvm-audio/protocol';
import { Reconnector } from './Reconnector.js';

type Try = {
  up(): void;
  fail(error?: Error): void;
  lost(): void;
};

function bench(): { reconnector: Reconnector; tries: Try[]; failures: ProtocolError[] } {
  const tries: Try[] = [];
  const failures: ProtocolError[] = [];
  const reconnector = new Reconnector(
    (lost) =>
      new Promise((resolve, reject) =>
        tries.push({
          up: resolve,
          fail: (error = new ProtocolError('CONNECTION_CLOSED', 'no')) => reject(error),
          lost: () => lost(undefined),
        }),
      ),
    (error) => failures.push(error),
  );
  return { reconnector, tries, failures };
}

beforeEach(() => {
  jest.useFakeTimers();
});
afterEach(() => {
  jest.useRealTimers();
  jest.restoreAllMocks();
});
const pass = (ms: number): Promise<void> => jest.advanceTimersByTimeAsync(ms);

describe('a reconnector', () => {
  test('tries at once, and at once again after a loss', async () => {
    const { reconnector, tries } = bench();
    reconnector.start();
    tries[0]?.up();
    await pass(60_000);
    expect(tries).toHaveLength(1);
    tries[0]?.lost();
    await pass(0);
    expect(tries).toHaveLength(2);
  });

  test('waits longer and longer after failures, 2 s at most', async () => {
    jest.spyOn(Math, 'random').mockReturnValue(0.5);
    const { reconnector, tries } = bench();
    reconnector.start();
    for (const delayMs of [50, 100, 200, 400, 800, 1_600, 2_000, 2_000]) {
      const before = tries.length;
      tries.at(-1)?.fail();
      await pass(delayMs - 1);
      expect(tries).toHaveLength(before);
      await pass(1);
      expect(tries).toHaveLength(before + 1);
    }
  });

  test.each([
    [0, 40],
    [1, 60],
  ])('varies its waits by a fifth (%f)', async (random, delayMs) => {
    jest.spyOn(Math, 'random').mockReturnValue(random);
    const { reconnector, tries } = bench();
    reconnector.start();
    tries[0]?.fail();
    await pass(delayMs - 1);
    expect(tries).toHaveLength(1);
    await pass(1);
    expect(tries).toHaveLength(2);
  });

  test('is brisk again after a success', async () => {
    jest.spyOn(Math, 'random').mockReturnValue(0.5);
    const { reconnector, tries } = bench();
    reconnector.start();
    for (let i = 0; i < 5; i++) {
      tries.at(-1)?.fail();
      await pass(2_000);
    }
    tries.at(-1)?.up();
    await pass(0);
    tries.at(-1)?.lost();
    await pass(0);
    const before = tries.length;
    tries.at(-1)?.fail();
    await pass(50);
    expect(tries).toHaveLength(before + 1);
  });

  test('tells of each failure, with other errors as INTERNAL', async () => {
    const { reconnector, tries, failures } = bench();
    reconnector.start();
    tries[0]?.fail();
    await pass(100);
    tries[1]?.fail(new Error('odd'));
    await pass(0);
    expect(failures.map(({ code }) => code)).toEqual(['CONNECTION_CLOSED', 'INTERNAL']);
  });

  test('stops for good: while it waits, while it tries, and while it is up', async () => {
    const waiting = bench();
    waiting.reconnector.start();
    waiting.tries[0]?.fail();
    await pass(0);
    waiting.reconnector.stop();
    const trying = bench();
    trying.reconnector.start();
    trying.reconnector.stop();
    trying.tries[0]?.fail();
    const up = bench();
    up.reconnector.start();
    up.tries[0]?.up();
    await pass(0);
    up.reconnector.stop();
    up.tries[0]?.lost();
    await pass(60_000);
    expect([waiting, trying, up].map(({ tries }) => tries.length)).toEqual([1, 1, 1]);
    expect(jest.getTimerCount()).toBe(0);
  });
});
