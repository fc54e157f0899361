import type { DirectionLatency, LatencyFigures, LatencyReport } from '@kvm-audio/client';
import { formatLatencyReport } from './formatLatency.js';

const figures: LatencyFigures = {
  count: 500,
  meanMs: 36.61,
  p50Ms: 36.5,
  p95Ms: 37,
  p99Ms: 38.25,
  maxMs: 140,
  jitterMs: 0.123,
  trendMsPerMinute: 1.4,
  totalCount: 9,
  totalMs: 330,
};
const optimiser: DirectionLatency['optimiser'] = {
  steps: { backlog: 0, cpu: 0, margin: 0, buffer: 0 },
  undone: 0,
  restored: 0,
  last: null,
};
const falling = { ...figures, trendMsPerMinute: -0.004, p50Ms: 9.994 };
const none = { ...figures, count: 0 };

function direction(changed: Partial<DirectionLatency>): DirectionLatency {
  return {
    direction: 'output',
    ageMs: 400,
    endToEnd: { ...figures, from: 'capture' },
    stages: {},
    tuning: {
      targetMs: 10,
      spareMs: 1,
      beyondMs: 0,
      bufferMs: 100,
      bufferMsMin: 10,
      periodMs: 5,
      complexity: null,
    },
    optimiser,
    ...changed,
  };
}

function formatted(report: Omit<LatencyReport, 'limits'>): string {
  return formatLatencyReport({ limits: { targetMs: 50, maxMs: 200, jitterMs: 20 }, ...report });
}

describe('the latency', () => {
  test('is a table in the order of a frame', () => {
    const text = formatted({
      output: direction({ stages: { device: falling, queue: figures } }),
      input: direction({ direction: 'input', stages: { capture_wait: none } }),
    });
    expect(text).toBe(
      [
        'Latency of the last 10 to 20 s, in ms; wanted 50 on average',
        '',
        '        STAGE          p50   p95   p99    max  mean  jitter  trend/min  SAMPLES',
        'input   capture_wait     -     -     -      -     -       -          -        0',
        '        end_to_end    36.5  37.0  38.3  140.0  36.6    0.12      +1.40      500',
        'output  queue         36.5  37.0  38.3  140.0  36.6    0.12      +1.40      500',
        '        device        9.99  37.0  38.3  140.0  36.6    0.12       0.00      500',
        '        end_to_end    36.5  37.0  38.3  140.0  36.6    0.12      +1.40      500',
        '',
        'Not in the stages: the frame itself; ' +
          'in the output the look-ahead, and the delay of a resampler',
      ].join('\n'),
    );
  });

  test('says where it begins with the arrival', () => {
    const endToEnd = { ...figures, from: 'arrival' } as const;
    const text = formatted({ output: direction({ endToEnd }), input: null });
    expect(text).toContain('output  end_to_end*');
    expect(text).toContain('\n* output: from the arrival of a packet');
    expect(text).toContain('\nNot in the stages: in the output the look-ahead');
    expect(text).toContain('\ninput: no figures');
  });

  test('says what was done against it, and where it varies too much', () => {
    const steps = { ...optimiser.steps, margin: 2, cpu: 1 };
    const done = { ...optimiser, steps, undone: 1, last: 'margin: 9 ms were never needed' };
    const endToEnd = { ...figures, jitterMs: 20.5, from: 'capture' } as const;
    const output = direction({ optimiser: done, endToEnd });
    expect(formatted({ output, input: null }).split('\n')).toEqual(
      expect.arrayContaining([
        'output: steps: cpu 1, margin 2, taken back 1; last: margin: 9 ms were never needed',
        'output: jitter 20.5 ms, wanted are 20',
      ]),
    );
  });

  test('says where it is old', () => {
    const text = formatted({ output: direction({ ageMs: 3_149 }), input: null });
    expect(text).toContain('output: no heartbeat for 3.1 s: its last figures');
  });

  test('of nothing says that', () => {
    const text = formatted({ output: null, input: null });
    expect(text.split('\n').slice(-2)).toEqual([
      'input: no figures; kvm-audioctl status says why',
      'output: no figures; kvm-audioctl status says why',
    ]);
  });
});
