import { type Direction, directions } from '@kvm-audio/protocol';
import { Rounds } from './Rounds.js';

let running: Set<Direction>;
let made: number;
let rounds: Rounds;

beforeEach(() => {
  jest.useFakeTimers();
  running = new Set(directions);
  made = 0;
  rounds = new Rounds({
    isRunning: (direction) => running.has(direction),
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

test('who does not run is not waited for', () => {
  running.delete('input');
  rounds.heard('output');
  expect(made).toBe(1);
});

test('where one that runs is silent, or none runs, a timer makes them', () => {
  for (let beat = 0; beat < 8; beat++) {
    rounds.heard('output');
    jest.advanceTimersByTime(2_500);
  }
  expect(made).toBe(4);
  running.clear();
  jest.advanceTimersByTime(10_000);
  expect(made).toBe(6);
});

test('behind the end none is made', () => {
  rounds.stop();
  rounds.stop();
  for (const direction of directions) rounds.heard(direction);
  jest.advanceTimersByTime(60_000);
  expect(made).toBe(0);
});
