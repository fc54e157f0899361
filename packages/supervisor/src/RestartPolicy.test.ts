import { Random } from '../../../test/helpers/random.js';
import { type RestartDecision, RestartPolicy, restartLimits } from './RestartPolicy.js';

const minute = 60_000;

/** A policy without jitter, and a clock that goes on by each delay and run. */
class Bench {
  nowMs = 0;
  readonly #policy: RestartPolicy;

  constructor(random: () => number = () => 0.5) {
    this.#policy = new RestartPolicy(restartLimits, random);
  }

  /** The child runs for so long and dies; time goes on to its next start. */
  die(ranMs = 0): RestartDecision {
    this.nowMs += ranMs;
    const decision = this.#policy.onDeath(this.nowMs, ranMs);
    this.nowMs += decision.delayMs;
    return decision;
  }

  /** Dies until it counts as failed. @returns how many restarts that took. */
  dieUntilFailed(): number {
    for (let restarts = 0; restarts < 100; restarts++) if (this.die().failed) return restarts;
    throw new Error('it never failed');
  }
}

describe('a restart', () => {
  test.each([minute, minute + 1, 24 * 60 * minute])(
    'is at once after the first death behind %i ms of running',
    (ranMs) => {
      expect(new Bench().die(ranMs)).toEqual({ delayMs: 0, failed: false });
    },
  );

  test('is after 200 ms where it ran for a moment less than a minute', () => {
    expect(new Bench().die(minute - 1)).toEqual({ delayMs: 200, failed: false });
  });

  test('waits twice as long each time, up to 30 s', () => {
    const bench = new Bench();
    const delays = Array.from({ length: 10 }, () => bench.die().delayMs);
    expect(delays).toEqual([200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000]);
  });

  test('at once is followed by the first delay', () => {
    const bench = new Bench();
    expect([bench.die(minute), bench.die(), bench.die()].map(({ delayMs }) => delayMs)).toEqual([
      0, 200, 400,
    ]);
  });

  test('waits as at first after a minute of stable running', () => {
    const bench = new Bench();
    for (let i = 0; i < 5; i++) bench.die();
    expect(bench.die(minute).delayMs).toBe(0);
    expect(bench.die().delayMs).toBe(200);
  });

  test('goes on doubling after a run that was not stable', () => {
    const bench = new Bench();
    bench.die();
    bench.die(30_000);
    expect(bench.die(59_999).delayMs).toBe(800);
  });

  test('varies by a tenth to either side, and by no more', () => {
    expect(new Bench(() => 0).die().delayMs).toBe(180);
    expect(new Bench(() => 1 - Number.EPSILON).die().delayMs).toBe(220);
    const random = new Random(9);
    const delays = Array.from({ length: 500 }, () => new Bench(() => random.next()).die().delayMs);
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(180);
    expect(Math.max(...delays)).toBeLessThanOrEqual(220);
    expect(new Set(delays).size).toBeGreaterThan(20);
  });
});

describe('a child that keeps dying', () => {
  test('counts as failed after ten restarts in five minutes', () => {
    const bench = new Bench();
    expect(bench.dieUntilFailed()).toBe(10);
    expect(bench.nowMs).toBeLessThan(5 * minute);
  });

  test('does not count as failed where ten restarts take longer than five minutes', () => {
    const bench = new Bench();
    for (let i = 0; i < 40; i++) expect(bench.die(20_000).failed).toBe(false);
  });

  test('is then tried once a minute, for ever', () => {
    const bench = new Bench();
    bench.dieUntilFailed();
    for (let i = 0; i < 60; i++) {
      expect(bench.die()).toEqual({ delayMs: minute, failed: true });
    }
  });

  test('is forgiven once it has run for a minute', () => {
    const bench = new Bench();
    bench.dieUntilFailed();
    bench.die();
    expect(bench.die(minute)).toEqual({ delayMs: 0, failed: false });
    expect(bench.die()).toEqual({ delayMs: 200, failed: false });
    expect(bench.dieUntilFailed()).toBe(8);
  });
});

test('a policy without arguments has the limits of the daemon, and chance', () => {
  const delays = Array.from({ length: 50 }, () => new RestartPolicy().onDeath(0, 0).delayMs);
  expect(Math.min(...delays)).toBeGreaterThanOrEqual(180);
  expect(Math.max(...delays)).toBeLessThanOrEqual(220);
});
