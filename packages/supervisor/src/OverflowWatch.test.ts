import { OverflowWatch } from './OverflowWatch.js';

describe('a watch on overflows', () => {
  const of = (received: number, overflowed: number) => ({ received, overflowed });

  test('looks at what came within a window, not before it', () => {
    const watch = new OverflowWatch(2, 1);
    const said = [
      watch.tick(of(1_000, 1_000)),
      watch.tick(of(1_050, 1_000)),
      watch.tick(of(1_100, 1_000)),
      watch.tick(of(1_150, 1_010)),
      watch.tick(of(1_200, 1_010)),
      watch.tick(of(1_250, 1_010)),
      watch.tick(of(1_300, 1_010)),
    ];
    expect(said).toEqual([false, false, false, false, true, false, false]);
  });

  test('says nothing where it was just as many as may be', () => {
    const watch = new OverflowWatch(1, 1);
    watch.tick(of(0, 0));
    expect(watch.tick(of(100, 1))).toBe(false);
    expect(watch.tick(of(200, 3))).toBe(true);
  });

  test('begins anew with a new process', () => {
    const watch = new OverflowWatch(2, 1);
    watch.tick(of(500, 0));
    watch.tick(of(550, 0));
    expect(watch.tick(of(20, 20))).toBe(false);
    expect(watch.tick(of(70, 21))).toBe(false);
    expect(watch.tick(of(120, 22))).toBe(true);
  });
});
