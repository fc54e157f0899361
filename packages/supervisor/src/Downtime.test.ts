import { Downtime } from './Downtime.js';

describe('the downtime', () => {
  let downtime: Downtime;

  beforeEach(() => {
    downtime = new Downtime();
  });

  test('is none before the first outage', () => {
    downtime.end(5_000);
    expect(downtime.totalMs(9_000)).toBe(0);
  });

  test('is the sum of all outages', () => {
    downtime.begin(1_000);
    downtime.end(1_400);
    downtime.begin(3_000);
    downtime.end(3_030);
    expect(downtime.totalMs(9_000)).toBe(430);
  });

  test('grows while an outage lasts, which begins when it was first seen', () => {
    downtime.begin(1_000);
    downtime.begin(3_000);
    expect(downtime.totalMs(3_500)).toBe(2_500);
    expect(downtime.totalMs(4_000)).toBe(3_000);
  });
});
