import type { BufferSettings } from '@kvm-audio/daemon';
import { checkConfig } from '@kvm-audio/daemon/config';
import { AdaptiveBufferManager } from './AdaptiveBufferManager.js';

const defaults = checkConfig({}, 'defaults').buffers;
/** The arithmetic without any correction. */
const seed: BufferSettings = {
  ...defaults,
  latencyAuthority: false,
  floatState: false,
  boundQueues: false,
  overflowAndHysteresis: false,
};

type Load = { cpu: number; memory: number; latencyMs?: number | undefined };
const healthy: Load = { cpu: 0, memory: 0, latencyMs: 0 };
const overloaded: Load = { cpu: 100, memory: 90, latencyMs: 100 };
/** In the middle of all thresholds: the three together are 0. */
const neutral: Load = { cpu: 40, memory: 55, latencyMs: 35 };

/** A manager with a clock of its own, and one process for all that a machine does. */
class Bench {
  readonly manager: AdaptiveBufferManager;
  nowMs = 0;
  received = 0;
  overflowed = 0;

  constructor(settings: BufferSettings) {
    this.manager = new AdaptiveBufferManager(settings);
  }

  tick({ cpu, memory, latencyMs }: Load): this {
    this.nowMs += 500;
    const processes = [{ cpuPercent: cpu, memoryPercent: memory }];
    const jitterBuffer = { received: this.received, overflowed: this.overflowed };
    this.manager.tick({ processes, latencyMs, jitterBuffer }, this.nowMs);
    return this;
  }

  get output(): number {
    return this.manager.sizes.output;
  }

  get input(): number {
    return this.manager.sizes.input;
  }

  get adaptations(): number {
    return this.manager.stats().adaptation_count;
  }

  /** The output's size after each of the ticks; the input's is the same. */
  sizes(loads: readonly Load[]): number[] {
    return loads.map((load) => {
      const size = this.tick(load).output;
      expect(this.input).toBe(size);
      return size;
    });
  }
}

const times = (count: number, load: Load): Load[] => Array(count).fill(load);

describe('without corrections, a factor', () => {
  // The whole way in one tick, 35 frames up and down from 45, and one figure that counts.
  const wide = { ...seed, minFrames: 10, startFrames: 45, maxFrames: 80, sizeSmoothing: 1 };
  const alone = { cpuWeight: 0, memoryWeight: 0, latencyWeight: 0 };

  test.each([
    // 45 + 35 x (40 - cpu) / 20
    [0, 80],
    [19.9, 80],
    [20, 80],
    [20.4, 79], // 0.98: 79.3
    [30, 63], // 0.5: 62.5
    [39, 47], // 0.05: 46.75
    [40, 45],
    [41, 43], // -0.05: 43.25
    [50, 28], // -0.5: 27.5
    [59.6, 11], // -0.98: 10.7
    [60, 10],
    [60.1, 10],
    [200, 10],
  ])('of %f %% CPU makes 45 frames %i', (cpu, size) => {
    const bench = new Bench({ ...wide, ...alone, cpuWeight: 1 });
    expect(bench.tick({ ...neutral, cpu }).output).toBe(size);
  });

  test.each([
    // 45 + 35 x (55 - memory) / 20
    [0, 80],
    [34.9, 80],
    [35, 80],
    [35.4, 79],
    [45, 63],
    [55, 45],
    [65, 28],
    [74.6, 11],
    [75, 10],
    [75.1, 10],
    [100, 10],
  ])('of %f %% memory makes 45 frames %i', (memory, size) => {
    const bench = new Bench({ ...wide, ...alone, memoryWeight: 1 });
    expect(bench.tick({ ...neutral, memory }).output).toBe(size);
  });

  test.each([
    // 45 + 35 x (35 - latency) / 15
    [0, 80],
    [19.9, 80],
    [20, 80],
    [20.3, 79], // 0.98
    [27.5, 63],
    [35, 45],
    [42.5, 28],
    [49.7, 11],
    [50, 10],
    [50.1, 10],
    [1_000, 10],
  ])('of %f ms latency makes 45 frames %i', (latencyMs, size) => {
    const bench = new Bench({ ...wide, ...alone, latencyWeight: 1 });
    expect(bench.tick({ ...neutral, latencyMs }).output).toBe(size);
  });

  test('of a latency that was never measured is that of 0 ms', () => {
    const bench = new Bench(seed);
    // 6 + 0.3 x 0.2 x 14 = 6.84
    expect(bench.tick({ ...neutral, latencyMs: undefined }).output).toBe(7);
    expect(bench.manager.stats().average_latency_ms).toBeNull();
  });

  test('has thresholds that are configured', () => {
    const thresholds = { cpuLowPercent: 40, cpuHighPercent: 80 };
    const bench = new Bench({ ...wide, ...alone, ...thresholds, cpuWeight: 1 });
    expect(bench.tick({ ...neutral, cpu: 50 }).output).toBe(63);
  });
});

describe('without corrections', () => {
  test('CPU is a sum over the processes, memory their mean', () => {
    const manager = new AdaptiveBufferManager(seed);
    const processes = [
      { cpuPercent: 15, memoryPercent: 40 },
      { cpuPercent: 25, memoryPercent: 70 },
    ];
    const jitterBuffer = { received: 0, overflowed: 0 };
    manager.tick({ processes, latencyMs: 35, jitterBuffer }, 1);
    expect(manager.stats()).toEqual({
      input_buffer_size: 6,
      output_buffer_size: 6,
      average_latency_ms: 35,
      system_cpu_percent: 40,
      system_memory_percent: 55,
      adaptation_count: 0,
      last_adaptation: null,
    });
  });

  test.each<[string, number, Load, number]>([
    // size + 0.3 x combined x (20 - size), or (size - 3) where combined is under 0
    ['0.5 - 0.3 + 0', 6, { cpu: 0, memory: 90, latencyMs: 35 }, 7], // 6.84
    ['0.5 + 0.3 - 0.2', 6, { cpu: 0, memory: 0, latencyMs: 51 }, 9], // 8.52
    ['0 + 0.3 + 0.2', 6, { cpu: 40, memory: 0, latencyMs: 0 }, 8], // 8.1
    ['-0.5 + 0.3 - 0.2', 10, { cpu: 61, memory: 0, latencyMs: 51 }, 9], // 9.16
    ['-0.5 - 0.3 + 0.2', 10, { cpu: 61, memory: 90, latencyMs: 0 }, 9], // 8.74
    ['0 + 0 - 0.2', 10, { cpu: 40, memory: 55, latencyMs: 51 }, 10], // 9.58
    ['0 + 0 + 0', 10, neutral, 10],
  ])('the factors are weighed: %s', (_sum, startFrames, load, size) => {
    expect(new Bench({ ...seed, startFrames }).tick(load).output).toBe(size);
  });

  test('a healthy machine settles at 19', () => {
    const bench = new Bench(seed);
    // 10.2, 13, 15.1, 16.5, 17.9, 18.6, 19.3
    const sizes = [10, 13, 15, 17, 18, 19, 19, 19, 19];
    expect(bench.sizes(times(9, healthy))).toEqual(sizes);
    expect(bench.manager.stats()).toMatchObject({ adaptation_count: 6, last_adaptation: 3_000 });
  });

  test('an overloaded machine settles at 4', () => {
    const bench = new Bench({ ...seed, startFrames: 20 });
    // 14.9, 11.4, 8.6, 7.2, 5.8, 5.1, 4.4, 3.7
    expect(bench.sizes(times(9, overloaded))).toEqual([15, 11, 9, 7, 6, 5, 4, 4, 4]);
    expect(bench.adaptations).toBe(7);
  });

  test.each([
    [0.5, 20, 1], // 19.5
    [0.49, 19, 0], // 19.49
  ])('half a frame is enough: %f of one frame makes 19 %i', (sizeSmoothing, size, adaptations) => {
    const bench = new Bench({ ...seed, startFrames: 19, sizeSmoothing });
    expect(bench.tick(healthy).output).toBe(size);
    expect(bench.adaptations).toBe(adaptations);
  });

  test('half a frame down is an adaptation each time, although it rounds to what was', () => {
    const bench = new Bench({ ...seed, startFrames: 4, sizeSmoothing: 0.5 });
    expect(bench.sizes(times(3, overloaded))).toEqual([4, 4, 4]); // 3.5
    expect(bench.adaptations).toBe(3);
  });

  test('what counts as half a frame is configured', () => {
    const bench = new Bench({ ...seed, applyFrames: 4.3 });
    expect(bench.sizes(times(3, healthy))).toEqual([6, 6, 6]); // 4.2 more
  });

  test.each<[string, Load, number, number]>([
    ['at the most', healthy, 20, 20],
    ['at the least', overloaded, 3, 3],
  ])('a size %s stays there', (_where, load, startFrames, size) => {
    const bench = new Bench({ ...seed, startFrames });
    expect(bench.sizes(times(3, load))).toEqual([size, size, size]);
    expect(bench.adaptations).toBe(0);
  });

  test.each<[Load, number]>([
    [healthy, 20], // 6 + 3 x 14 = 48
    [overloaded, 3], // 6 - 3 x 3 = -3
  ])('no size is beyond its bounds, whatever the weights', (load, size) => {
    const weights = { cpuWeight: 1, memoryWeight: 1, latencyWeight: 1, sizeSmoothing: 1 };
    expect(new Bench({ ...seed, ...weights }).tick(load).output).toBe(size);
  });

  test.each([
    [
      [10, 20, 0],
      [10, 13, 9.1],
    ],
    // An average of 0 takes the figure as it is.
    [
      [0, 30, 0, 0],
      [0, 30, 21, 14.7],
    ],
    [
      [undefined, 50, undefined, 60],
      [null, 50, 50, 53],
    ],
  ])('latencies %j have the averages %j', (latencies, averages) => {
    const bench = new Bench(seed);
    const seen = latencies.map((latencyMs) => {
      bench.tick({ ...neutral, latencyMs });
      return bench.manager.stats().average_latency_ms;
    });
    seen.forEach((average, i) => {
      if (averages[i] === null) expect(average).toBeNull();
      else expect(average).toBeCloseTo(averages[i] ?? Number.NaN, 9);
    });
  });

  test('nothing changes where no process was measured', () => {
    const bench = new Bench(seed).tick(healthy);
    const before = bench.manager.stats();
    const jitterBuffer = { received: 100, overflowed: 100 };
    bench.manager.tick({ processes: [], latencyMs: 70, jitterBuffer }, 1_000);
    expect(bench.manager.stats()).toEqual(before);
  });

  test('an overflow is nothing', () => {
    const bench = new Bench(seed);
    for (let i = 0; i < 30; i++) {
      bench.received += 25;
      bench.overflowed += 25;
      bench.tick(neutral);
    }
    expect(bench.output).toBe(6);
  });
});

describe('latency with authority', () => {
  const settings = { ...seed, latencyAuthority: true, latencySmoothing: 1, startFrames: 10 };

  test.each([
    [50, 12], // not over: 0.5 + 0.3 - 0.2 = 0.6, 11.8
    [50.1, 8], // -1: 7.9
    [400, 8],
  ])('of %f ms makes 10 frames %i on a machine that is idle', (latencyMs, size) => {
    expect(new Bench(settings).tick({ ...healthy, latencyMs }).output).toBe(size);
  });

  test('keeps it until it is under the middle of target and maximum', () => {
    const loads = [51, 36, 35, 34.9, 36].map((latencyMs) => ({ ...healthy, latencyMs }));
    // -1: 7.9, 6.5, 5.8; then 0.8 + 0.2 x 0.1 / 15: 9.37; then 0.8 - 0.2 / 15: 11.60
    expect(new Bench(settings).sizes(loads)).toEqual([8, 7, 6, 9, 12]);
  });

  test('that was never measured says nothing', () => {
    const bench = new Bench(settings);
    expect(bench.tick({ ...neutral, latencyMs: undefined }).output).toBe(10);
    // And not more than the two others say: 0.8, so 12.4.
    expect(bench.tick({ ...healthy, latencyMs: undefined }).output).toBe(12);
  });

  test('of 0 ms speaks for growing', () => {
    expect(new Bench(settings).tick({ ...neutral, latencyMs: 0 }).output).toBe(11); // 10.6
  });
});

describe('a state in fractions', () => {
  const settings = { ...seed, floatState: true };

  test('takes a healthy machine all the way', () => {
    const bench = new Bench(settings);
    // 10.2, 13.14, 15.198, 16.639, 17.647, 18.353, 18.847, 19.193, 19.435, 19.605, 19.723
    const sizes = [10, 13, 15, 17, 18, 18, 19, 19, 19, 20, 20];
    expect(bench.sizes(times(11, healthy))).toEqual(sizes);
    expect(bench.manager.stats()).toMatchObject({ adaptation_count: 7, last_adaptation: 5_000 });
  });

  test('takes an overloaded one all the way', () => {
    const bench = new Bench({ ...settings, startFrames: 20 });
    // 14.9, 11.33, 8.831, 7.082, 5.857, 5.00003, 4.4, 3.98, 3.686, 3.48
    expect(bench.sizes(times(10, overloaded))).toEqual([15, 11, 9, 7, 6, 5, 4, 4, 4, 3]);
  });

  test('adds up what is less than half a frame', () => {
    // 9.58, 9.185: -0.2 x 0.3 x (size - 3) each
    const slow = { cpu: 40, memory: 55, latencyMs: 51 };
    expect(new Bench({ ...settings, startFrames: 10 }).sizes(times(2, slow))).toEqual([10, 9]);
    expect(new Bench({ ...seed, startFrames: 10 }).sizes(times(9, slow))).toEqual(
      Array(9).fill(10),
    );
  });

  test('is applied where its rounding differs', () => {
    const bench = new Bench({ ...settings, startFrames: 6, minFrames: 5, sizeSmoothing: 0.5 });
    expect(bench.tick(overloaded).output).toBe(6); // 5.5
    expect(bench.adaptations).toBe(0);
    expect(bench.tick(overloaded).output).toBe(5); // 5.25
    expect(bench.adaptations).toBe(1);
  });
});

describe('hysteresis', () => {
  const settings = { ...seed, overflowAndHysteresis: true };

  test('lets it grow when that was spoken for twice', () => {
    expect(new Bench(settings).sizes(times(4, healthy))).toEqual([6, 10, 13, 15]);
  });

  test('lets it shrink when that was spoken for four times', () => {
    const bench = new Bench({ ...settings, startFrames: 20 });
    expect(bench.sizes(times(5, overloaded))).toEqual([20, 20, 20, 15, 11]);
  });

  test('begins anew where something else was said between', () => {
    const bench = new Bench(settings);
    const loads = [healthy, overloaded, healthy, neutral, healthy, overloaded, healthy, healthy];
    expect(bench.sizes(loads)).toEqual([6, 6, 6, 6, 6, 6, 6, 10]);
  });

  test('has configured lengths', () => {
    const bench = new Bench({ ...settings, growTicks: 1, shrinkTicks: 2 });
    expect(bench.sizes([healthy, overloaded, overloaded])).toEqual([10, 10, 8]); // 7.9
  });
});

describe('an overflow of the jitter buffer', () => {
  const settings = { ...seed, overflowAndHysteresis: true, growTicks: 1, shrinkTicks: 1 };

  /** A window of ten ticks, with so many packets and overflows in it. */
  function window(bench: Bench, received: number, overflowed: number, load = neutral): void {
    for (let tick = 0; tick < 9; tick++) bench.tick(load);
    bench.received += received;
    bench.overflowed += overflowed;
    bench.tick(load);
  }

  test.each([
    [250, 0, 6],
    [200, 2, 6], // 1 %: not over it
    [199, 2, 7],
    [250, 250, 7],
    [0, 0, 6],
  ])('of so many packets: %i, %i too many: makes 6 frames %i', (received, overflowed, size) => {
    const bench = new Bench(settings).tick(neutral);
    window(bench, received, overflowed);
    expect(bench.output).toBe(size);
    expect(bench.input).toBe(6);
  });

  test('adds one frame a window, up to the most', () => {
    const bench = new Bench({ ...settings, maxFrames: 8 }).tick(neutral);
    const sizes = [1, 2, 3].map(() => {
      window(bench, 250, 100);
      return bench.output;
    });
    expect(sizes).toEqual([7, 8, 8]);
    expect(bench.adaptations).toBe(2);
  });

  test('adds none while latency has the say', () => {
    const late = { ...neutral, latencyMs: 60 };
    const authority = { ...settings, latencyAuthority: true, startFrames: 3 };
    const bench = new Bench(authority).tick(late);
    window(bench, 250, 100, late);
    expect(bench.output).toBe(3);
    const without = new Bench({ ...authority, latencyAuthority: false }).tick(neutral);
    window(without, 250, 100);
    expect(without.output).toBe(4);
  });

  test('without fractions takes the other direction with it, as it is', () => {
    const bench = new Bench({ ...settings, startFrames: 18 }).tick(neutral);
    window(bench, 250, 100);
    expect([bench.output, bench.input, bench.adaptations]).toEqual([19, 18, 1]);
    // An average of 24.5 ms: 0.94. 19.282 and 18.564: both are stored, the output's part is lost.
    bench.tick(healthy);
    expect([bench.output, bench.input, bench.adaptations]).toEqual([19, 19, 2]);
    bench.tick(healthy); // 19.3 and 19.3
    expect([bench.output, bench.input, bench.adaptations]).toEqual([19, 19, 2]);
  });

  test('with fractions leaves the other direction alone', () => {
    const bench = new Bench({ ...settings, floatState: true, startFrames: 18 }).tick(neutral);
    window(bench, 250, 100);
    expect([bench.output, bench.input, bench.adaptations]).toEqual([19, 18, 1]);
    bench.tick(healthy); // 0.94: 19.282 and 18.564
    expect([bench.output, bench.input, bench.adaptations]).toEqual([19, 19, 2]);
    bench.tick(healthy); // 19.497 and 18.995
    expect([bench.output, bench.input, bench.adaptations]).toEqual([19, 19, 2]);
    bench.tick(healthy); // 19.648 and 19.296
    expect([bench.output, bench.input, bench.adaptations]).toEqual([20, 19, 3]);
  });
});

test('all corrections together: up, down by latency, and up again', () => {
  const bench = new Bench(defaults);
  const late = { ...healthy, latencyMs: 200 };
  // As with fractions alone, a tick later: 19.605 at the end.
  expect(bench.sizes(times(11, healthy))).toEqual([6, 10, 13, 15, 17, 18, 18, 19, 19, 19, 20]);
  // The average was 0: it is 200 at once. 14.623 at the fourth tick.
  expect(bench.sizes(times(4, late))).toEqual([20, 20, 20, 15]);
  // Averages of 140, 98, 68.6 and 48.02: 11.136, 8.695, 6.987, 5.791.
  expect(bench.sizes(times(4, healthy))).toEqual([11, 9, 7, 6]);
  // 33.614 is under 35. Then 23.530: 0.8 + 0.2 x 0.765 = 0.953, 9.853.
  expect(bench.sizes(times(2, healthy))).toEqual([6, 10]);
  expect(bench.manager.stats()).toMatchObject({ system_cpu_percent: 0, system_memory_percent: 0 });
  expect(bench.manager.stats().average_latency_ms).toBeCloseTo(23.5298, 9);
});
