import { mediaRate } from '@kvm-audio/protocol';
import { MarginWatch } from './MarginWatch.js';

const ms = mediaRate / 1000;
const frameUs = 20_000;

/** What is asked for while packets find these margins, one each 20 ms, in milliseconds. */
function changes(margins: readonly number[], targetMs = 10): number[] {
  const watch = new MarginWatch({ targetFrames: targetMs * ms, lowWaterFrames: 4 * ms });
  return margins.map((margin, i) => watch.observe(margin * ms, i * frameUs) / ms);
}

const none = (asked: number[]): boolean => asked.every((change) => change === 0);
const packets = (count: number, marginMs: number): number[] => Array(count).fill(marginMs);

describe('the margin', () => {
  test('that is as wanted, or near it, is left alone', () => {
    expect(none(changes(packets(500, 10)))).toBe(true);
    expect(none(changes(packets(500, 6)))).toBe(true);
    expect(none(changes([...packets(100, 10), ...packets(500, 14)]))).toBe(true);
  });

  test('that is lost for good is asked for after 80 ms, whole', () => {
    const asked = changes([...packets(50, 10), ...packets(5, -2)]);
    expect(asked.slice(0, -1).every((change) => change === 0)).toBe(true);
    expect(asked.at(-1)).toBe(12);
  });

  test('that a stall takes, and gives back in one burst, is not asked for', () => {
    const watch = new MarginWatch({ targetFrames: 10 * ms, lowWaterFrames: 4 * ms });
    const burst = Array.from({ length: 9 }, (_, i) => watch.observe((i * 20 - 170) * ms, 200_000));
    expect(none(burst)).toBe(true);
    expect(watch.observe(10 * ms, 220_000)).toBe(0);
  });

  test('that is too short five times in two seconds is made enough for all but the worst', () => {
    const often = Array.from({ length: 50 }, (_, i) => (i % 10 === 9 ? -5 : 10));
    expect(changes(often).filter((change) => change !== 0)).toEqual([12.5]);
    const rarely = Array.from({ length: 500 }, (_, i) => (i % 30 === 9 ? -5 : 10));
    expect(none(changes(rarely))).toBe(true);
  });

  test('that was raised for a source that is late again and again is kept for ten seconds', () => {
    const often = Array.from({ length: 50 }, (_, i) => (i % 10 === 9 ? -5 : 10));
    const asked = changes([...often, ...packets(560, 22)]);
    const cuts = asked.flatMap((change, i) => (change < 0 ? [i / 50] : []));
    expect(cuts[0]).toBeGreaterThanOrEqual(11);
    expect(cuts[0]).toBeLessThan(12.5);
  });

  test('that is too much is cut after a window, a backlog at once', () => {
    const started = packets(200, 10);
    expect(changes([...started, ...packets(110, 16)]).filter((change) => change !== 0)[0]).toBe(-6);
    const asked = changes([...started, ...packets(5, 100)]);
    expect(asked.at(-1)).toBe(-90);
  });

  test('is what is wanted now, whatever it was raised for', () => {
    const watch = new MarginWatch({ targetFrames: 40 * ms, lowWaterFrames: 4 * ms });
    const observe = (from: number, count: number, marginMs: (i: number) => number): number[] =>
      Array.from({ length: count }, (_, i) =>
        watch.observe(marginMs(i) * ms, (from + i) * frameUs),
      );
    const raised = observe(0, 50, (i) => (i % 10 === 9 ? -5 : 40));
    expect(raised.some((change) => change > 0)).toBe(true);
    expect(none(observe(50, 200, () => 60))).toBe(true);
    watch.setTarget(10 * ms);
    const cut = observe(250, 15, () => 60).find((change) => change !== 0);
    expect(cut).toBe(-50 * ms);
  });

  test('has a goal above the low water, whatever the target', () => {
    const asked = changes(packets(5, 3), 3);
    expect(asked.at(-1)).toBe(3);
  });
});
