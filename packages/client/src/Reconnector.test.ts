import { Reconnector } from './Reconnector.js';

function bench(): { reconnector: Reconnector; tries: number[] } {
  const tries: number[] = [];
  const reconnector = new Reconnector(() => tries.push(performance.now()));
  return { reconnector, tries };
}

beforeEach(() => {
  jest.useFakeTimers();
  jest.spyOn(Math, 'random').mockReturnValue(0);
});
afterEach(() => {
  jest.useRealTimers();
  jest.restoreAllMocks();
});
const pass = (ms: number): void => {
  jest.advanceTimersByTime(ms);
};

/** A server that is away: each try fails, until `awayMs` have passed. */
function failFor(reconnector: Reconnector, tries: readonly number[], awayMs: number): void {
  const end = performance.now() + awayMs;
  for (;;) {
    const before = tries.length;
    const waitMs = reconnector.failed(true);
    if (performance.now() + waitMs > end) return;
    pass(Math.ceil(waitMs));
    expect(tries).toHaveLength(before + 1);
  }
}

describe('a reconnector', () => {
  test('tries at once, once, and at once again after the loss of a good connection', () => {
    const { reconnector, tries } = bench();
    reconnector.start();
    reconnector.start();
    expect(tries).toHaveLength(1);
    reconnector.up();
    pass(60_000);
    expect(tries).toHaveLength(1);
    expect(reconnector.lost()).toBe(0);
    pass(0);
    expect(tries).toHaveLength(2);
  });

  test.each([0, 0.5, 0.999])('meets a server that is back after a while (jitter %f)', (random) => {
    jest.spyOn(Math, 'random').mockReturnValue(random);
    for (const [awayMs, withinMs] of [
      [100, 40],
      [500, 105],
      [2_000, 410],
      [60_000, 2_001],
    ] as const) {
      const { reconnector, tries } = bench();
      reconnector.start();
      const start = performance.now();
      failFor(reconnector, tries, awayMs);
      const before = tries.length;
      pass(start + awayMs + withinMs - performance.now());
      expect(tries).toHaveLength(before + 1);
      reconnector.stop();
    }
  });

  test('tries an absent server seldom', () => {
    const { reconnector, tries } = bench();
    reconnector.start();
    failFor(reconnector, tries, 600_000);
    expect(tries.length).toBeLessThan(340);
  });

  test('varies its waits, so that many clients do not come at once', () => {
    const waits = [0, 0.5, 0.999].map((random) => {
      jest.spyOn(Math, 'random').mockReturnValue(random);
      const { reconnector } = bench();
      reconnector.start();
      return Math.round(reconnector.failed(true));
    });
    expect(waits).toEqual([20, 16, 12]);
  });

  test('waits longest after an error that another try does not mend', () => {
    const { reconnector, tries } = bench();
    reconnector.start();
    expect(reconnector.failed(false)).toBe(2_000);
    pass(1_999);
    expect(tries).toHaveLength(1);
    pass(1);
    expect(tries).toHaveLength(2);
  });

  test('does not storm a server that takes it in and throws it out', () => {
    const { reconnector, tries } = bench();
    reconnector.start();
    const end = performance.now() + 10_000;
    while (performance.now() < end) {
      reconnector.up();
      pass(Math.max(1, Math.ceil(reconnector.lost())));
    }
    expect(tries.length).toBeGreaterThan(10);
    expect(tries.length).toBeLessThan(50);
  });

  test('is brisk again after a connection that held', () => {
    const { reconnector, tries } = bench();
    reconnector.start();
    failFor(reconnector, tries, 30_000);
    pass(2_000);
    reconnector.up();
    pass(1_000);
    expect(reconnector.lost()).toBe(0);
    pass(0);
    expect(reconnector.failed(true)).toBe(20);
  });

  test('has one try or one timer, whatever it is told', () => {
    const { reconnector, tries } = bench();
    reconnector.start();
    reconnector.lost();
    reconnector.failed(true);
    reconnector.failed(true);
    reconnector.lost();
    reconnector.up();
    expect(jest.getTimerCount()).toBe(1);
    pass(20);
    expect(tries).toHaveLength(2);
    reconnector.up();
    reconnector.failed(true);
    expect(jest.getTimerCount()).toBe(0);
    reconnector.lost();
    reconnector.lost();
    reconnector.failed(true);
    expect(jest.getTimerCount()).toBe(1);
  });

  test('stops for good: while it waits, while it tries, and while it is up', () => {
    const waiting = bench();
    waiting.reconnector.start();
    waiting.reconnector.failed(true);
    waiting.reconnector.stop();
    const trying = bench();
    trying.reconnector.start();
    trying.reconnector.stop();
    trying.reconnector.failed(true);
    const up = bench();
    up.reconnector.start();
    up.reconnector.up();
    up.reconnector.stop();
    up.reconnector.lost();
    up.reconnector.start();
    pass(60_000);
    expect([waiting, trying, up].map(({ tries }) => tries.length)).toEqual([1, 1, 1]);
  });
});
