import { HangWatch } from './HangWatch.js';

/** A child that answers as `answers` says, or not before its deadline. */
class Child {
  readonly hung: string[] = [];
  asked = 0;
  /** How long its device's thread is in the kernel; undefined: it does not answer. */
  callMs: (() => number) | undefined;
  readonly watch = new HangWatch({
    ask: (deadlineMs) => {
      this.asked += 1;
      const { callMs } = this;
      return new Promise((resolve, reject) => {
        if (!callMs) {
          setTimeout(() => reject(new Error('late')), deadlineMs);
          return;
        }
        this.watch.note(callMs());
        resolve();
      });
    },
    onHung: (reason) => {
      this.hung.push(reason);
      this.watch.end();
    },
  });
}

let child: Child;

beforeEach(() => {
  jest.useFakeTimers();
  child = new Child();
});
afterEach(() => {
  child.watch.end();
  jest.useRealTimers();
});

const pass = (ms: number) => jest.advanceTimersByTimeAsync(ms);

test('a child that never gets ready hangs', async () => {
  child.watch.begin();
  await pass(29_999);
  expect(child.hung).toEqual([]);
  await pass(2);
  expect(child.hung).toEqual(['not ready for 30 s']);
});

test('one that tells its figures is not asked', async () => {
  child.watch.begin();
  for (let i = 0; i < 20; i++) {
    await pass(2_500);
    child.watch.note(0);
  }
  expect([child.asked, child.hung]).toEqual([0, []]);
});

test('one that is silent is asked, and hangs where it does not answer', async () => {
  child.watch.note(0);
  await pass(4_001);
  expect([child.asked, child.hung]).toEqual([1, []]);
  await pass(500);
  expect(child.hung).toEqual(['no heartbeat for 4.5 s']);
});

test('one that answers, or tells its figures meanwhile, lives', async () => {
  child.watch.note(0);
  child.callMs = () => 0;
  await pass(4_001);
  child.callMs = undefined;
  await pass(4_001);
  expect(child.asked).toBe(2);
  child.watch.note(0);
  await pass(2_000);
  expect(child.hung).toEqual([]);
});

test('nothing is said of one that is to end', async () => {
  child.watch.note(2_000);
  child.watch.end();
  await pass(60_000);
  expect([child.asked, child.hung]).toEqual([0, []]);
});

test.each([501, 1_800, 2_999])(
  'a call that takes long (%i ms by now) is looked at again when it has taken three seconds',
  async (nowMs) => {
    const beginsAt = performance.now() - nowMs;
    child.callMs = () => performance.now() - beginsAt;
    child.watch.note(nowMs);
    await pass(3_000 - nowMs - 1);
    expect(child.hung).toEqual([]);
    await pass(1);
    expect(child.hung).toEqual(['a call on the card has not returned for 3.0 s']);
  },
);

test('one that has returned meanwhile is none', async () => {
  child.callMs = () => 0;
  child.watch.note(1_500);
  await pass(1_600);
  expect([child.asked, child.hung]).toEqual([1, []]);
});
