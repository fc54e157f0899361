import { Linger } from './Linger.js';

beforeEach(() => {
  jest.useFakeTimers();
});
afterEach(() => {
  jest.useRealTimers();
});

describe('a linger', () => {
  test('calls once, after its time', () => {
    const done = jest.fn();
    new Linger(5_000, done).letGo();
    jest.advanceTimersByTime(4_999);
    expect(done).not.toHaveBeenCalled();
    jest.advanceTimersByTime(60_000);
    expect(done).toHaveBeenCalledTimes(1);
  });

  test('counts from the first letGo, and from anew after a hold', () => {
    const done = jest.fn();
    const linger = new Linger(5_000, done);
    linger.letGo();
    jest.advanceTimersByTime(3_000);
    linger.letGo();
    jest.advanceTimersByTime(1_999);
    expect(done).not.toHaveBeenCalled();
    linger.hold();
    linger.hold();
    jest.advanceTimersByTime(60_000);
    expect(done).not.toHaveBeenCalled();
    linger.letGo();
    jest.advanceTimersByTime(5_000);
    expect(done).toHaveBeenCalledTimes(1);
  });

  test('can be let go again after it was done', () => {
    const done = jest.fn();
    const linger = new Linger(10, done);
    linger.letGo();
    jest.advanceTimersByTime(10);
    linger.letGo();
    jest.advanceTimersByTime(10);
    expect(done).toHaveBeenCalledTimes(2);
  });
});
