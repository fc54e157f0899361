import v8 from 'node:v8';
import { createLog } from './log.js';
import { unmapUnusedLater } from './unmapUnusedLater.js';

const minuteMs = 60_000;

describe('memory that is not used', () => {
  const { gc } = globalThis;
  /** Flags of V8, and `gc` for each collection. */
  let done: string[];

  beforeEach(() => {
    done = [];
    jest.spyOn(v8, 'setFlagsFromString').mockImplementation((flag) => void done.push(flag));
    globalThis.gc = (() => void done.push('gc')) as unknown as NodeJS.GCFunction;
    jest.useFakeTimers();
  });

  afterEach(() => {
    jest.useRealTimers();
    jest.restoreAllMocks();
    globalThis.gc = gc;
  });

  const log = createLog('test', 'error', () => undefined);

  test('is given back a minute after the start; that one collection of the heap moves what lives together', () => {
    unmapUnusedLater(log, () => true);
    jest.advanceTimersByTime(minuteMs);
    expect(done).toEqual(['--compact-on-every-full-gc', 'gc', '--no-compact-on-every-full-gc']);
  });

  test('is looked for each ten minutes, without a collection while the event loop may not pause', () => {
    const collections = (): number => done.filter((each) => each === 'gc').length;
    let mayPause = false;
    unmapUnusedLater(log, () => mayPause);
    jest.advanceTimersByTime(minuteMs);
    expect(collections()).toBe(0);
    mayPause = true;
    jest.advanceTimersByTime(10 * minuteMs);
    expect(collections()).toBe(1);
    jest.advanceTimersByTime(10 * minuteMs);
    expect(collections()).toBe(2);
  });
});
