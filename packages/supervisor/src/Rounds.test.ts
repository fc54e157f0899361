import { type Direction, directions } from '@kvm-audio/protocol';
import { Rounds } from './Rounds.js';

let expected: Set<Direction>;
let made: number;
let rounds: Rounds;

beforeEach(() => {
  jest.useFakeTimers();
  expected = new Set(directions);
  made = 0;
  rounds = new Rounds({
    isExpected: (direction) => expected.has(direction),
    work: () => {
      made += 1;
    },
    lateMs: 5_000,
  });
  rounds.start();
  made = 0;
});
afterEach(() => {
  rounds.stop();
  jest.useRealTimers();
});

test('a round is made when both have told their figures, and by nothing else then', () => {
  for (let beat = 1; beat <= 20; beat++) {
    rounds.heard(beat % 2 ? 'output' : 'input');
    expect(made).toBe(beat - 1);
    jest.advanceTimersByTime(9);
    rounds.heard(beat % 2 ? 'input' : 'output');
    expect(made).toBe(beat);
    jest.advanceTimersByTime(2_491);
  }
});

test('one that tells twice is waited for no less than the other', () => {
  rounds.heard('output');
  rounds.heard('output');
  expect(made).toBe(0);
  rounds.heard('input');
  expect(made).toBe(1);
});

test('who is not to tell any is not waited for', () => {
  expected.delete('input');
  rounds.heard('output');
  expect(made).toBe(1);
});

test('where one is silent, or both are, a timer makes them, each five seconds after the last', () => {
  for (let beat = 0; beat < 8; beat++) {
    rounds.heard('output');
    jest.advanceTimersByTime(2_500);
  }
  expect(made).toBe(4);
  jest.advanceTimersByTime(2_000);
  for (const direction of directions) rounds.heard(direction);
  expect(made).toBe(5);
  jest.advanceTimersByTime(4_999);
  expect(made).toBe(5);
  jest.advanceTimersByTime(1);
  expect(made).toBe(6);
  expected.clear();
  jest.advanceTimersByTime(10_000);
  expect(made).toBe(8);
});

test('behind the end none is made', () => {
  rounds.stop();
  rounds.stop();
  for (const direction of directions) rounds.heard(direction);
  jest.advanceTimersByTime(60_000);
  expect(made).toBe(0);
});
