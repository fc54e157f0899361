import { reportText } from '@kvm-audio/daemon';
import { quietReport } from '../../../test/helpers/quietReport.js';
import { NewestReport } from './NewestReport.js';

const text = (framesReceived: number): string => reportText(quietReport({ framesReceived }));

/** A pipeline that answers when it is told to. */
class Asked {
  readonly newest = new NewestReport();
  count = 0;
  answer: (text: string) => void = () => undefined;
  fail: () => void = () => undefined;

  refresh(): Promise<void> {
    return this.newest.refresh(() => {
      this.count += 1;
      return new Promise((resolve, reject) => {
        this.answer = (told) => {
          this.newest.take(told);
          resolve();
        };
        this.fail = () => reject(new Error('no answer'));
      });
    });
  }
}

beforeEach(() => {
  jest.useFakeTimers();
});
afterEach(() => {
  jest.useRealTimers();
});

test('figures that are old are asked for, once for all who want them', async () => {
  const asked = new Asked();
  expect([asked.newest.report, asked.newest.ageMs]).toEqual([null, null]);
  asked.newest.take(text(1));
  jest.advanceTimersByTime(300);
  expect(asked.newest.ageMs).toBe(300);
  const both = Promise.all([asked.refresh(), asked.refresh()]);
  asked.answer(text(2));
  await both;
  expect([asked.newest.report?.framesReceived, asked.newest.ageMs, asked.count]).toEqual([2, 0, 1]);
});

test('young ones are those of now', async () => {
  const asked = new Asked();
  asked.newest.take(text(1));
  jest.advanceTimersByTime(199);
  await asked.refresh();
  expect(asked.count).toBe(0);
});

test('of who does not answer they stay, and it is asked again', async () => {
  const asked = new Asked();
  asked.newest.take(text(1));
  jest.advanceTimersByTime(1_000);
  const first = asked.refresh();
  asked.fail();
  await first;
  expect([asked.newest.report?.framesReceived, asked.newest.ageMs]).toEqual([1, 1_000]);
  const second = asked.refresh();
  asked.answer(text(3));
  await second;
  expect(asked.newest.report?.framesReceived).toBe(3);
});

test('of a process that has ended nothing is left', () => {
  const newest = new NewestReport();
  newest.take(text(1));
  newest.forget();
  expect([newest.report, newest.ageMs]).toEqual([null, null]);
});
