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

/** Packets of so many milliseconds that all find the goal; `lookAt` is called before each. */
function run(packetMs: number, lookAt: (keeper: MarginKeeper, nowUs: number) => void): void {
  const keeper = new MarginKeeper(goal);
  for (let nowUs = 1_000_000; nowUs < 9_000_000; nowUs += packetMs * 1000) {
    lookAt(keeper, nowUs);
    keeper.observe(goal.goalFrames, 0, 0, nowUs);
  }
}

describe('the time until which the pace stays', () => {
  test.each([2.5, 10, 20, 60])(
    'is that of the next packet that may change it: %d ms',
    (packetMs) => {
      let [promisedUs, promises] = [0, 0];
      run(packetMs, (keeper, nowUs) => {
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
      });
      expect(promises).toBeGreaterThanOrEqual(6);
    },
  );

  test('is an interval after the next packet where none has begun', () => {
    const keeper = new MarginKeeper(goal);
    expect(keeper.paceEndUs(20 * ms, 5_000_000)).toBe(6_030_000);
    keeper.observe(goal.goalFrames, 0, 0, 5_020_000);
    expect(keeper.paceEndUs(20 * ms, 5_020_000)).toBe(6_020_000);
    // A step begins it anew.
    keeper.step();
    expect(keeper.paceEndUs(20 * ms, 5_500_000)).toBe(6_530_000);
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
