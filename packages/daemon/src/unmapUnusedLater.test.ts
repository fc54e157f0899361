import { execFileSync } from 'node:child_process';
import v8 from 'node:v8';
import { createLog } from './log.js';
import { unmapUnusedLater } from './unmapUnusedLater.js';

const minuteMs = 60_000;

describe('memory that is not used', () => {
  const { gc } = globalThis;
  /** Flags of V8, `gc` for each collection, `young` for one of what is new alone. */
  let done: string[];
  let usedBytes: number;

  beforeEach(() => {
    done = [];
    usedBytes = 8e6;
    const statistics = v8.getHeapStatistics();
    jest.spyOn(v8, 'getHeapStatistics').mockImplementation(() => {
      return { ...statistics, used_heap_size: usedBytes };
    });
    jest.spyOn(v8, 'setFlagsFromString').mockImplementation((flag) => void done.push(flag));
    globalThis.gc = ((options?: { type: string }) =>
      void done.push(options?.type === 'minor' ? 'young' : 'gc')) as unknown as NodeJS.GCFunction;
    jest.useFakeTimers();
  });

  afterEach(() => {
    jest.useRealTimers();
    jest.restoreAllMocks();
    globalThis.gc = gc;
  });

  const log = createLog('test', 'error', () => undefined);

  type Unmap = typeof unmapUnusedLater;

  /** Such a process wakes each 2.5 s. */
  function start(...[process, mayPause]: [Parameters<Unmap>[0], () => boolean]): void {
    setInterval(unmapUnusedLater(process, log, mayPause), 2_500);
  }

  test('is given back a minute after the start, what lives moved together meanwhile', () => {
    start('output', () => true);
    jest.advanceTimersByTime(minuteMs);
    expect(done).toEqual(['--compact-on-every-full-gc', 'gc', '--no-compact-on-every-full-gc']);
  });

  test('is not looked for by two processes of a daemon at a time', () => {
    const processes = ['supervisor', 'input', 'output'] as const;
    for (const process of processes) start(process, () => true);
    const collections = Array.from({ length: 3_600 }, () => {
      done = [];
      jest.advanceTimersByTime(1_000);
      return done.filter((each) => each === 'gc').length;
    });
    expect(collections.filter((count) => count > 0)).toEqual(Array(36).fill(1));
  });

  test('does not gather in what is new: that is emptied each 7.5 seconds, where it may pause', () => {
    let mayPause = true;
    start('output', () => mayPause);
    jest.advanceTimersByTime(minuteMs + 75_000);
    expect(done.filter((each) => each === 'young')).toHaveLength(10);
    mayPause = false;
    jest.advanceTimersByTime(80_000);
    expect(done.filter((each) => each === 'young')).toHaveLength(10);
  });

  test('needs a flag that this Node’s V8 knows', () => {
    const known = execFileSync(process.execPath, ['--v8-options'], { encoding: 'utf8' });
    expect(known).toContain('--compact-on-every-full-gc');
  });

  const collections = (): number => done.filter((each) => each === 'gc').length;

  test('is looked for each five minutes, in the heap where the event loop may pause', () => {
    let mayPause = false;
    start('output', () => mayPause);
    jest.advanceTimersByTime(minuteMs);
    expect(collections()).toBe(0);
    mayPause = true;
    for (const count of [1, 2, 3]) {
      jest.advanceTimersByTime(4.95 * minuteMs);
      expect(collections()).toBe(count - 1);
      jest.advanceTimersByTime(0.05 * minuteMs);
      expect(collections()).toBe(count);
    }
  });

  test('is looked for sooner where much has gathered, each half minute at most', () => {
    let mayPause = true;
    start('output', () => mayPause);
    jest.advanceTimersByTime(minuteMs);
    usedBytes += 512 * 1024;
    jest.advanceTimersByTime(2 * minuteMs);
    expect(collections()).toBe(1);
    usedBytes += 1;
    jest.advanceTimersByTime(8_000);
    expect(collections()).toBe(2);
    // What lives has become more: that is no reason any more.
    jest.advanceTimersByTime(2 * minuteMs);
    expect(collections()).toBe(2);
    for (let seconds = 0; seconds < 64; seconds++) {
      usedBytes += 1e6;
      jest.advanceTimersByTime(1_000);
    }
    expect(collections()).toBe(4);
    usedBytes += 1e6;
    mayPause = false;
    jest.advanceTimersByTime(2 * minuteMs);
    expect(collections()).toBe(4);
  });
});
