import { mediaRate } from '@kvm-audio/protocol';
import { MarginKeeper } from './MarginKeeper.js';
import type { MarginGoal } from './MarginWatch.js';

const ms = mediaRate / 1000;
const goal: MarginGoal = {
  goalFrames: 10 * ms,
  leastFrames: 10 * ms,
  slackFrames: ms,
  lowWaterFrames: 4 * ms,
  rebase: () => undefined,
};

/** Packets of so many milliseconds; `lookAt` is called before each. */
function run(
  packetMs: number,
  lookAt: (keeper: MarginKeeper, nowUs: number) => void,
  marginMs: (nowUs: number) => number = () => 10,
): void {
  const keeper = new MarginKeeper(goal);
  for (let nowUs = 1_000_000; nowUs < 9_000_000; nowUs += packetMs * 1000) {
    lookAt(keeper, nowUs);
    keeper.observe(marginMs(nowUs) * ms, 0, 0, nowUs);
  }
}

describe('the time until which the pace stays', () => {
  test('is not looked at for long while all packets find the goal', () => {
    run(20, (keeper, nowUs) => {
      expect(keeper.paceEndUs(20 * ms, nowUs)).toBe(nowUs + 2_750_000);
    });
  });

  test.each([2.5, 10, 20, 60])(
    'is that of the next packet that may change it, once they do not: %d ms',
    (packetMs) => {
      let [promisedUs, promises] = [0, 0];
      const lookAt = (keeper: MarginKeeper, nowUs: number): void => {
        // It is seen at the end of an interval.
        if (nowUs < 4_200_000) return;
        const endUs = keeper.paceEndUs(packetMs * ms, nowUs - packetMs * 1000);
        // What was promised at first holds, to a packet: an interval begins with one.
        if (promisedUs > nowUs) {
          expect(Math.abs(endUs - promisedUs)).toBeLessThanOrEqual(packetMs * 1000);
        } else {
          promises += 1;
        }
        promisedUs = endUs;
        expect(endUs).toBeGreaterThan(nowUs - packetMs * 1000);
        expect(endUs).toBeLessThanOrEqual(nowUs + 1_000_000 + packetMs * 1000);
      };
      run(packetMs, lookAt, (nowUs) => (nowUs < 3_000_000 ? 10 : 8.8));
      expect(promises).toBeGreaterThanOrEqual(4);
    },
  );
});

describe('what is missing', () => {
  /** @returns what was put in, and where the margin is in the end. */
  function runFrom(marginMs: number, driftPpm: number): { putIn: number; marginMs: number } {
    const keeper = new MarginKeeper(goal);
    let [putIn, now] = [0, marginMs];
    for (let nowUs = 1_000_000; nowUs < 61_000_000; nowUs += 20_000) {
      now += ((driftPpm - keeper.correctionPpm) * 20_000) / 1e9;
      putIn += keeper.observe(now * ms, 0, 0, nowUs);
    }
    return { putIn, marginMs: now };
  }

  test('comes by the pace where clocks part and it is little', () => {
    const { putIn, marginMs } = runFrom(9, -100);
    expect(putIn).toBe(0);
    expect(Math.abs(marginMs - 10)).toBeLessThan(1);
  });

  test('is left alone where they do not', () => {
    expect(runFrom(8, 0)).toEqual({ putIn: 0, marginMs: 8 });
  });

  test('is put in where it is more', () => {
    expect(runFrom(7, 0).putIn).toBeGreaterThanOrEqual(3 * ms);
  });
});

test('a start lasts for three windows of 200 ms, and each timeline has one', () => {
  const begins: number[] = [];
  let was = false;
  run(20, (keeper, nowUs) => {
    if (nowUs === 5_000_000) keeper.restart();
    if (keeper.isStarting !== was) begins.push(nowUs / 1000);
    was = keeper.isStarting;
  });
  expect(begins[0]).toBe(1_000);
  expect(begins[2]).toBe(5_000);
  expect(begins[1]! - 1_000).toBeGreaterThanOrEqual(600);
  expect(begins[1]! - 1_000).toBeLessThanOrEqual(700);
  expect(begins[3]! - 5_000).toBe(begins[1]! - 1_000);
});
