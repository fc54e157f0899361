import type { PipelineTuning } from '@kvm-audio/protocol';
import { type Decision, LatencyOptimiser, type Observation } from './LatencyOptimiser.js';

const settleMs = 15_000;
const checkMs = 5_000;

const outputTuning: PipelineTuning = {
  targetMs: 10,
  spareMs: 0,
  beyondMs: 0,
  bufferMs: 100,
  bufferMsMin: 10,
  periodMs: 5,
  complexity: null,
};
const inputTuning: PipelineTuning = {
  targetMs: null,
  spareMs: null,
  beyondMs: 0,
  bufferMs: 100,
  bufferMsMin: 10,
  periodMs: 10,
  complexity: 10,
};

/** A direction that is late, and nothing can be done about it. */
const late: Observation = {
  over: true,
  calm: false,
  averageMs: 150,
  jitterMs: 2,
  stagesMs: { transit: 120, queue: 1, device: 12 },
  tuning: outputTuning,
  frameMs: 20,
  cpuPercent: 5,
  underruns: 0,
  concealedMs: 0,
};
const wide = { ...late, tuning: { ...outputTuning, targetMs: 150, spareMs: 120 } };
const backlogged = { ...late, stagesMs: { queue: 55, device: 16 } };
const slow = { ...late, tuning: inputTuning, stagesMs: { capture_wait: 1, encode: 6 } };
const coarse = {
  ...late,
  tuning: { ...inputTuning, beyondMs: 12 },
  stagesMs: { capture_wait: 13, encode: 1 },
};
const beyond = { ...late, tuning: { ...outputTuning, beyondMs: 40 } };

describe('a direction that is late', () => {
  test.each<[string, Observation, Partial<Decision['step']> | undefined]>([
    ['has its margin made as small as its jitter', wide, { change: { targetMs: 30 } }],
    [
      'keeps the least margin',
      { ...wide, tuning: { ...wide.tuning, spareMs: 149 } },
      { change: { targetMs: 10 } },
    ],
    [
      'keeps a margin that is needed',
      { ...wide, tuning: { ...wide.tuning, spareMs: 4.9 } },
      undefined,
    ],
    ['keeps its margin under much jitter', { ...wide, jitterMs: 20.1 }, undefined],
    ['skips a backlog', backlogged, { cause: 'backlog', change: null, undo: null }],
    ['skips no margin', { ...backlogged, stagesMs: { queue: 54, device: 15.9 } }, undefined],
    [
      'does not call a backlog what the card itself holds',
      { ...backlogged, tuning: { ...outputTuning, beyondMs: 5 } },
      undefined,
    ],
    [
      'has less complexity where encoding is slow',
      slow,
      { change: { complexity: 5 }, undo: { complexity: 10 } },
    ],
    [
      'has less complexity where the CPU is busy',
      { ...slow, cpuPercent: 61, stagesMs: { encode: 1 } },
      { change: { complexity: 5 } },
    ],
    [
      'has less complexity where frames wait for the process',
      { ...slow, stagesMs: { capture_wait: 5, encode: 0.5 } },
      { change: { complexity: 5 } },
    ],
    [
      'has none to take where there is none',
      { ...slow, tuning: { ...inputTuning, complexity: 0 }, stagesMs: { encode: 6 } },
      undefined,
    ],
    [
      'ends at no complexity',
      { ...slow, tuning: { ...inputTuning, complexity: 1 } },
      { change: { complexity: 0 } },
    ],
    [
      'has a shorter period where frames wait at the card',
      coarse,
      { change: { periodMs: 5 }, undo: { periodMs: 10 } },
    ],
    ['keeps a short period', { ...coarse, tuning: { ...coarse.tuning, periodMs: 2.5 } }, undefined],
    [
      'has a shorter period and a smaller buffer where the card holds more',
      beyond,
      { change: { periodMs: 2.5, bufferMs: 50 }, undo: { periodMs: 5, bufferMs: 100 } },
    ],
    [
      'keeps both where the card holds what USB cards do',
      { ...beyond, tuning: { ...beyond.tuning, beyondMs: 24 } },
      undefined,
    ],
    [
      'keeps a buffer that costs nothing',
      { ...beyond, tuning: { ...outputTuning, bufferMs: 1_000 } },
      undefined,
    ],
    [
      'keeps a buffer that the longest margin needs',
      { ...beyond, tuning: { ...beyond.tuning, bufferMs: 210, bufferMsMin: 210 } },
      { change: { periodMs: 2.5, bufferMs: 210 }, undo: { periodMs: 5, bufferMs: 210 } },
    ],
    [
      'keeps a small buffer',
      { ...beyond, tuning: { ...beyond.tuning, bufferMs: 15 } },
      { change: { periodMs: 2.5, bufferMs: 15 } },
    ],
    [
      'keeps a short period of a large buffer',
      { ...beyond, tuning: { ...beyond.tuning, periodMs: 2 } },
      { change: { periodMs: 2, bufferMs: 50 } },
    ],
    [
      'has nothing less than a short period and a small buffer',
      { ...beyond, tuning: { ...beyond.tuning, periodMs: 2.5, bufferMs: 20 } },
      undefined,
    ],
    ['is left alone where no cause fits', late, undefined],
    ['by less than the limits is left alone', { ...wide, over: false }, undefined],
  ])('%s', (_, observation, step) => {
    const optimiser = new LatencyOptimiser({ jitterMs: 20, settleMs });
    const decision = optimiser.observe(observation, 0);
    if (step === undefined) expect(decision).toBeUndefined();
    else expect(decision).toMatchObject({ action: 'step', step });
  });

  test('has one step at a time, the backlog first', () => {
    const optimiser = new LatencyOptimiser({ jitterMs: 20, settleMs });
    const both = { ...wide, stagesMs: { queue: 100, device: 150 } };
    expect(optimiser.observe(both, 0)?.step.cause).toBe('backlog');
    expect(optimiser.settling).toBe(true);
    expect(optimiser.observe(both, 5_000)).toBeUndefined();
    expect(optimiser.observe(both, 14_999)).toBeUndefined();
  });
});

/** A direction in virtual time: what it says at each check is made from what was decided. */
function simulate(
  minutes: number,
  say: (seconds: number, decisions: readonly Decision[]) => Partial<Observation>,
) {
  const optimiser = new LatencyOptimiser({ jitterMs: 20, settleMs });
  const decisions: (Decision & { atSeconds: number })[] = [];
  for (let nowMs = 0; nowMs <= minutes * 60_000; nowMs += checkMs) {
    const decision = optimiser.observe({ ...late, ...say(nowMs / 1000, decisions) }, nowMs);
    if (decision) decisions.push({ ...decision, atSeconds: nowMs / 1000 });
  }
  const outline = decisions.map(({ action, step, atSeconds }) => [atSeconds, action, step.cause]);
  return { optimiser, outline, decisions };
}

describe('a step', () => {
  test('that helped is kept, and another follows while it is late', () => {
    const { outline, optimiser } = simulate(2, (_, decisions) => {
      const complexity = [10, 5, 2, 1, 0][decisions.length] ?? 0;
      return {
        ...slow,
        averageMs: 150 - 20 * decisions.length,
        over: decisions.length < 2,
        tuning: { ...inputTuning, complexity },
      };
    });
    expect(outline).toEqual([
      [0, 'step', 'cpu'],
      [15, 'step', 'cpu'],
    ]);
    expect(optimiser.report()).toMatchObject({ steps: { cpu: 2 }, undone: 0 });
  });

  test('after which underruns rose is taken back, and not tried again for five minutes', () => {
    const { outline, decisions } = simulate(6, (seconds, before) => {
      const shrunk =
        before.filter(({ action }) => action === 'step').length >
        before.filter(({ action }) => action === 'undo').length;
      return { ...wide, averageMs: shrunk ? 60 : 150, underruns: shrunk ? seconds : 0 };
    });
    expect(outline).toEqual([
      [0, 'step', 'margin'],
      [15, 'undo', 'margin'],
      [315, 'step', 'margin'],
      [330, 'undo', 'margin'],
    ]);
    expect(decisions[1]).toMatchObject({
      step: { undo: { targetMs: 150 } },
      reason: expect.stringContaining('holes in the sound'),
    });
  });

  test('after which latency did not fall is taken back', () => {
    const { outline, decisions } = simulate(1, () => beyond);
    expect(outline).toEqual([
      [0, 'step', 'buffer'],
      [15, 'undo', 'buffer'],
    ]);
    expect(decisions[1]?.reason).toContain('did not fall');
  });

  test('is not blamed for underruns as there were before', () => {
    const { outline } = simulate(1, (seconds, before) => ({
      ...wide,
      over: seconds >= 30 && before.length === 0,
      averageMs: before.length === 0 ? 150 : 60,
      underruns: seconds,
    }));
    expect(outline).toEqual([[30, 'step', 'margin']]);
  });

  test('that skipped a backlog cannot be taken back, and is not repeated at once', () => {
    const { outline } = simulate(1, () => backlogged);
    expect(outline).toEqual([[0, 'step', 'backlog']]);
  });

  test('against want of CPU is given back after five minutes of calm, the last first', () => {
    const { outline, decisions } = simulate(20, (seconds, before) => ({
      ...slow,
      over: seconds <= 15,
      calm: seconds > 60,
      averageMs: 150 - 20 * before.length,
      tuning: { ...inputTuning, complexity: before.length === 0 ? 10 : 5 },
    }));
    expect(outline).toEqual([
      [0, 'step', 'cpu'],
      [15, 'step', 'cpu'],
      [365, 'restore', 'cpu'],
      [670, 'restore', 'cpu'],
    ]);
    expect(decisions.slice(2).map(({ step }) => step.undo)).toEqual([
      { complexity: 5 },
      { complexity: 10 },
    ]);
  });

  test('is forgotten where the pipeline starts anew, but for its count', () => {
    const optimiser = new LatencyOptimiser({ jitterMs: 20, settleMs });
    optimiser.observe(wide, 0);
    optimiser.forget();
    expect(optimiser.settling).toBe(false);
    expect(optimiser.observe({ ...wide, over: false }, settleMs)).toBeUndefined();
    expect(optimiser.report()).toMatchObject({ steps: { margin: 1 }, undone: 0 });
  });
});
