import { Random } from '../helpers/random.js';
import { type PlayoutSecond, PlayoutSimulation } from './PlayoutSimulation.js';
import { busyLoopLateMs, trace } from './Trace.js';

const steady = () => ({ delayMs: 1 });

describe('twenty simulated minutes', () => {
  test('of a steady source is heard whole, at the same delay all the time', () => {
    const seconds: number[] = [];
    const simulation = new PlayoutSimulation({
      arrivals: trace({ seconds: 1_200, frameMs: 20, fate: steady }),
      seconds: 1_200,
      targetMs: 10,
      onSecond: ({ fillMs }) => seconds.push(fillMs),
    }).run();
    expect(simulation.delays.count).toBe(59_998);
    expect(simulation.delays.meanMs).toBeCloseTo(20 + 10 + 1, 1);
    expect(simulation.delays.mostMs - simulation.delays.quantileMs(0.01)).toBeLessThan(0.2);
    expect(simulation.concealedPercent).toBe(0);
    expect(simulation.card.underruns).toBe(0);
    expect(seconds).toHaveLength(1_200);
    expect(Math.min(...seconds.slice(1))).toBeCloseTo(10, 1);
    expect(Math.max(...seconds.slice(1))).toBeCloseTo(10, 1);
  });

  test('with a card that is 300 ppm fast keeps its fill near the target', () => {
    let least = Number.POSITIVE_INFINITY;
    let most = 0;
    const note = ({ index, fillMsLeast, fillMsMost }: PlayoutSecond): void => {
      if (index === 0) return;
      least = Math.min(least, fillMsLeast);
      most = Math.max(most, fillMsMost);
    };
    const simulation = new PlayoutSimulation({
      arrivals: trace({ seconds: 1_200, frameMs: 20, fate: steady }),
      seconds: 1_200,
      targetMs: 10,
      cardSkewPpm: 300,
      onSecond: note,
    }).run();
    expect(simulation.card.underruns).toBe(0);
    expect(least).toBeGreaterThan(2);
    expect(most).toBeLessThan(16);
  });

  test.each([300, -300, 20, -20])('that parts by %i ppm keeps its fill within 1.2 ms', (ppm) => {
    const offMs: number[] = [];
    const simulation = new PlayoutSimulation({
      arrivals: trace({ seconds: 300, frameMs: 20, local: true, fate: steady }),
      seconds: 300,
      cardSkewPpm: ppm,
      onSecond: ({ index, fillMs, goalMs }) => {
        if (index >= 60) offMs.push(Math.abs(fillMs - goalMs));
      },
    }).run();
    expect(Math.max(...offMs)).toBeLessThan(1.2);
    expect(simulation.counters).toMatchObject({ trimmedFrames: 0, insertedFrames: 0 });
    expect(simulation.card.underruns).toBe(0);
  });

  test('is the same for the same seed', () => {
    const run = (): unknown => {
      const random = new Random(7);
      const { delays, counters } = new PlayoutSimulation({
        arrivals: trace({
          seconds: 60,
          frameMs: 20,
          fate: () => ({ delayMs: random.chance(0.05) ? undefined : 10 * random.next() }),
        }),
        seconds: 60,
        loopLateMs: () => busyLoopLateMs(random),
      }).run();
      return { meanMs: delays.meanMs, counters };
    };
    expect(run()).toEqual(run());
  });
});
