import type { BufferSettings, Log } from '@kvm-audio/daemon';
import { checkConfig } from '@kvm-audio/daemon/config';
import {
  type Direction,
  noDrops,
  type PipelineReport,
  type ProcessState,
  type ProcessUsage,
} from '@kvm-audio/protocol';
import { quietReport } from '../../../test/helpers/quietReport.js';
import { BufferControl, type SizedPipeline } from './BufferControl.js';

/** A pipeline that keeps what it was told. */
class ToldPipeline implements SizedPipeline {
  state: ProcessState = 'running';
  pid: number | null;
  report: PipelineReport | null;
  refuses = false;
  readonly frames: number[] = [];

  constructor(pid: number, changed: Partial<PipelineReport>) {
    this.pid = pid;
    this.report = quietReport(changed);
  }

  async ask(_method: 'buffer.set', params: { frames: number }): Promise<unknown> {
    this.frames.push(params.frames);
    if (this.refuses) throw new Error('not now');
    return {};
  }
}

const log = Object.fromEntries(
  ['error', 'warn', 'info', 'debug', 'trace'].map((level) => [level, () => undefined]),
) as unknown as Log;

type Bench = {
  control: BufferControl;
  pipelines: Record<Direction, ToldPipeline>;
  usages: Map<number, ProcessUsage>;
};

function bench(changed: Partial<BufferSettings> = {}): Bench {
  const pipelines = {
    output: new ToldPipeline(11, { queueMs: 8 }),
    input: new ToldPipeline(12, { queueMs: 20 }),
  };
  const usage = { cpuPercent: 4, memoryPercent: 10, residentBytes: 1 };
  const usages = new Map([
    [11, usage],
    [12, { ...usage, memoryPercent: 20 }],
  ]);
  const settings = { ...checkConfig({}, 'defaults').buffers, ...changed };
  const usageOf = (pid: number | null): ProcessUsage | null => usages.get(pid ?? 0) ?? null;
  return { control: new BufferControl({ settings, pipelines, usageOf, log }), pipelines, usages };
}

describe('what the sizes follow', () => {
  test('is what both pipelines take and how long audio waits in both', () => {
    const { control } = bench();
    control.tick();
    expect(control.stats()).toMatchObject({
      average_latency_ms: 28,
      system_cpu_percent: 8,
      system_memory_percent: 15,
    });
  });

  test('is no queue of a pipeline that does not stream', () => {
    const { control, pipelines } = bench();
    pipelines.input.report = quietReport({ state: 'idle', queueMs: 20 });
    control.tick();
    expect(control.stats().average_latency_ms).toBe(8);
  });

  test('is nothing while nothing streams', () => {
    const { control, pipelines } = bench();
    pipelines.input.report = quietReport({ state: 'idle' });
    pipelines.output.report = null;
    control.tick();
    expect(control.stats()).toMatchObject({ average_latency_ms: null, system_cpu_percent: null });
  });

  test('is no process that was looked at but once', () => {
    const { control, usages } = bench();
    usages.set(11, { cpuPercent: null, memoryPercent: 90, residentBytes: 1 });
    control.tick();
    expect(control.stats()).toMatchObject({ system_cpu_percent: 4, system_memory_percent: 20 });
  });

  test('is the whole way where latency has no authority', () => {
    const { control, pipelines } = bench({ latencyAuthority: false });
    control.tick();
    expect(control.stats().average_latency_ms).toBeNull();
    const latency = { ...quietReport().latency, count: 9, p50Ms: 34 };
    pipelines.output.report = quietReport({ latency });
    pipelines.input.report = quietReport({ latency: { ...latency, p50Ms: 21 } });
    control.tick();
    expect(control.stats().average_latency_ms).toBe(34);
  });

  test('counts what overflowed in the jitter buffer', () => {
    const { control, pipelines } = bench({ overflowWindowMs: 500, sizeSmoothing: 0.01 });
    control.tick();
    pipelines.output.report = quietReport({
      framesReceived: 25,
      drops: { ...noDrops(), jitter_overflow: 1 },
    });
    control.tick();
    expect(control.stats()).toMatchObject({ output_buffer_size: 7, input_buffer_size: 6 });
  });
});

describe('a size', () => {
  test('is told to a pipeline once', () => {
    const { control, pipelines } = bench();
    control.tick();
    expect(pipelines.output.frames).toEqual([6]);
    // With both pipelines idle enough it grows from the second tick on: 10.2, 13.14.
    for (const { report } of [pipelines.output, pipelines.input]) if (report) report.queueMs = 0;
    control.tick();
    control.tick();
    expect(pipelines.output.frames.length).toBe(3);
    pipelines.output.report = null;
    pipelines.input.report = null;
    for (let i = 0; i < 5; i++) control.tick();
    expect(pipelines.output.frames.length).toBe(3);
    expect(pipelines.input.frames).toEqual(pipelines.output.frames);
    expect(pipelines.input.frames.at(-1)).toBe(control.stats().input_buffer_size);
  });

  test('is told to the next process, too, when that runs', () => {
    const { control, pipelines } = bench({ minFrames: 6, maxFrames: 6 });
    control.tick();
    Object.assign(pipelines.output, { state: 'backoff', pid: null, report: undefined });
    control.tick();
    Object.assign(pipelines.output, { state: 'starting', pid: 13 });
    control.tick();
    expect(pipelines.output.frames).toEqual([6]);
    pipelines.output.state = 'running';
    control.tick();
    control.tick();
    expect(pipelines.output.frames).toEqual([6, 6]);
    expect(pipelines.input.frames).toEqual([6]);
  });

  test('that was not taken is told again', async () => {
    const { control, pipelines } = bench({ minFrames: 6, maxFrames: 6 });
    pipelines.input.refuses = true;
    control.tick();
    await new Promise(setImmediate);
    pipelines.input.refuses = false;
    control.tick();
    await new Promise(setImmediate);
    control.tick();
    expect(pipelines.input.frames).toEqual([6, 6]);
    expect(pipelines.output.frames).toEqual([6]);
  });

  test('is told to nobody where queues are not bound by it', () => {
    const { control, pipelines } = bench({ boundQueues: false });
    for (let i = 0; i < 5; i++) control.tick();
    expect(control.stats().output_buffer_size).toBeGreaterThan(6);
    expect([...pipelines.output.frames, ...pipelines.input.frames]).toEqual([]);
  });

  test('is looked at in its time, until it is stopped', () => {
    jest.useFakeTimers();
    try {
      const { control, pipelines } = bench({ tickMs: 200, growTicks: 1 });
      control.start();
      jest.advanceTimersByTime(199);
      expect(pipelines.output.frames).toEqual([]);
      jest.advanceTimersByTime(401);
      expect(pipelines.output.frames).toHaveLength(3);
      control.stop();
      jest.advanceTimersByTime(1_000);
      expect(pipelines.output.frames).toHaveLength(3);
    } finally {
      jest.useRealTimers();
    }
  });
});
