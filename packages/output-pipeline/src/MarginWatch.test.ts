import { mediaRate } from '@kvm-audio/protocol';
import { MarginWatch } from './MarginWatch.js';

const ms = mediaRate / 1000;
const frameUs = 20_000;

class Goal {
  goalFrames = 10 * ms;
  readonly lowWaterFrames = 4 * ms;
  leastFrames = 5 * ms;
  readonly slackFrames = 5 * ms;
  rebased = 0;

  rebase(): void {
    this.rebased += 1;
  }
}

type Found = { marginMs: number; lateMs?: number };

/** What is asked for while packets find these margins, one each 20 ms, in milliseconds. */
function changes(found: readonly Found[], goal = new Goal()): number[] {
  const watch = new MarginWatch(goal);
  return found.map(
    ({ marginMs, lateMs = 0 }, i) => watch.observe(marginMs * ms, lateMs * ms, i * frameUs) / ms,
  );
}

const none = (asked: number[]): boolean => asked.every((change) => change === 0);
const packets = (count: number, marginMs: number, lateMs = 0): Found[] =>
  Array(count).fill({ marginMs, lateMs });

describe('the margin', () => {
  test('that is as wanted, or near it, is left alone', () => {
    expect(none(changes(packets(500, 10)))).toBe(true);
    expect(none(changes(packets(500, 8)))).toBe(true);
    expect(none(changes([...packets(100, 10), ...packets(500, 14)]))).toBe(true);
  });

  test('of late packets says nothing, as long as punctual ones find what is wanted', () => {
    const mixed = Array.from({ length: 500 }, (_, i) =>
      i % 2 === 0 ? { marginMs: 5, lateMs: 5 } : { marginMs: 10 },
    );
    expect(none(changes(mixed))).toBe(true);
  });

  test('that is lost for good is asked for after 80 ms, whole, and is a new base', () => {
    const goal = new Goal();
    const asked = changes([...packets(50, 10), ...packets(5, -2, 12)], goal);
    expect(asked.slice(0, -1).every((change) => change === 0)).toBe(true);
    expect(asked.at(-1)).toBe(12);
    expect(goal.rebased).toBe(1);
  });

  test('that a stall takes, and gives back in one burst, is not asked for', () => {
    const watch = new MarginWatch(new Goal());
    const burst = Array.from({ length: 9 }, (_, i) =>
      watch.observe((i * 20 - 170) * ms, (180 - i * 20) * ms, 200_000),
    );
    expect(none(burst)).toBe(true);
    expect(watch.observe(10 * ms, 0, 220_000)).toBe(0);
  });

  test('that a stall takes, and gives back bit by bit, is not asked for', () => {
    const watch = new MarginWatch(new Goal());
    const burst = Array.from({ length: 20 }, (_, i) =>
      watch.observe((i * 15 - 290) * ms, (300 - i * 15) * ms, i * 5_000),
    );
    expect(none(burst)).toBe(true);
  });

  test('under a goal that has grown is made so at the next late packet, at once', () => {
    const goal = new Goal();
    const watch = new MarginWatch(goal);
    expect(watch.observe(10 * ms, 0, 0)).toBe(0);
    goal.goalFrames = 30 * ms;
    expect(watch.observe(10 * ms, 0, 20_000)).toBe(0);
    expect(watch.observe(-8 * ms, 18 * ms, 40_000)).toBe(20 * ms);
  });

  test('under the goal for a whole window is made up though nothing is late', () => {
    const asked = changes([...packets(60, 10), ...packets(110, 7)]);
    expect(asked.filter((change) => change !== 0)[0]).toBe(3);
  });

  test('that is too much is cut after a window, a backlog at once', () => {
    const started = packets(200, 10);
    expect(changes([...started, ...packets(110, 16)]).filter((change) => change !== 0)[0]).toBe(-6);
    const asked = changes([...started, ...packets(5, 100)]);
    expect(asked.at(-1)).toBe(-90);
  });

  test('is told as a mean of what packets found lately', () => {
    const watch = new MarginWatch(new Goal());
    expect(watch.meanFrames).toBeUndefined();
    for (let i = 0; i < 100; i++) watch.observe((i % 2 === 0 ? 9 : 11) * ms, 0, i * frameUs);
    expect(watch.meanFrames).toBeCloseTo(10 * ms, -2);
  });
});
