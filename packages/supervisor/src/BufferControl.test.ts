import type { BufferSettings } from '@kvm-audio/daemon';
import { checkConfig } from '@kvm-audio/daemon/config';
import { createLog } from '@kvm-audio/daemon/log';
import {
  type Direction,
  noDrops,
  type PipelineReport,
  type ProcessState,
  type ProcessUsage,
  ProtocolError,
} from '@kvm-audio/protocol';
import { quietReport } from '../../../test/helpers/quietReport.js';
import { BufferControl, type SizedPipeline } from './BufferControl.js';

/** A pipeline that keeps what it was told. */
class ToldPipeline implements SizedPipeline {
  state: ProcessState = 'running';
  pid: number | null;
  report: PipelineReport | null;
  refusal: Error | undefined;
  readonly frames: number[] = [];

  constructor(pid: number, changed: Partial<PipelineReport>) {
    this.pid = pid;
    this.report = quietReport(changed);
  }

  async ask(_method: 'buffer.set', params: { frames: number }): Promise<unknown> {
    this.frames.push(params.frames);
    if (this.refusal) throw this.refusal;
    return {};
  }
}

const lines: string[] = [];
const log = createLog('test', 'info', (line) => lines.push(line));

type Bench = {
  control: BufferControl;
  /** When the next tick is due, and that tick. */
  tick(): void;
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
  const control = new BufferControl({ settings, pipelines, usageOf, log }, 0);
  let nowMs = 0;
  const tick = (): void => {
    nowMs += settings.tickMs;
    control.look(nowMs);
  };
  return { control, tick, pipelines, usages };
}

describe('what the sizes follow', () => {
  test('is what both pipelines take and how long audio waits in both', () => {
    const { control, tick } = bench();
    tick();
    expect(control.stats()).toMatchObject({
      average_latency_ms: 28,
      system_cpu_percent: 8,
      system_memory_percent: 15,
    });
  });

  test('is no queue of a pipeline that does not stream', () => {
    const { control, tick, pipelines } = bench();
    pipelines.input.report = quietReport({ state: 'idle', queueMs: 20 });
    tick();
    expect(control.stats().average_latency_ms).toBe(8);
  });

  test('is nothing while nothing streams', () => {
    const { control, tick, pipelines } = bench();
    pipelines.input.report = quietReport({ state: 'idle' });
    pipelines.output.report = null;
    tick();
    expect(control.stats()).toMatchObject({ average_latency_ms: null, system_cpu_percent: null });
  });

  test('is no process that was looked at but once', () => {
    const { control, tick, usages } = bench();
    usages.set(11, { cpuPercent: null, memoryPercent: 90, residentBytes: 1 });
    tick();
    expect(control.stats()).toMatchObject({ system_cpu_percent: 4, system_memory_percent: 20 });
  });

  test('is the whole way where latency has no authority', () => {
    const { control, tick, pipelines } = bench({ latencyAuthority: false });
    tick();
    expect(control.stats().average_latency_ms).toBeNull();
    const latency = { ...quietReport().latency, count: 9, p50Ms: 34 };
    pipelines.output.report = quietReport({ latency });
    pipelines.input.report = quietReport({ latency: { ...latency, p50Ms: 21 } });
    tick();
    expect(control.stats().average_latency_ms).toBe(34);
  });

  test('counts what overflowed in the jitter buffer', () => {
    const { control, tick, pipelines } = bench({ overflowWindowMs: 500, sizeSmoothing: 0.01 });
    tick();
    pipelines.output.report = quietReport({
      framesReceived: 25,
      drops: { ...noDrops(), jitter_overflow: 1 },
    });
    tick();
    expect(control.stats()).toMatchObject({ output_buffer_size: 7, input_buffer_size: 6 });
  });
});

describe('a size', () => {
  test('is told to a pipeline once', () => {
    const { control, tick, pipelines } = bench();
    tick();
    expect(pipelines.output.frames).toEqual([6]);
    // With both pipelines idle enough it grows from the second tick on: 10.2, 13.14.
    for (const { report } of [pipelines.output, pipelines.input]) if (report) report.queueMs = 0;
    tick();
    tick();
    expect(pipelines.output.frames.length).toBe(3);
    pipelines.output.report = null;
    pipelines.input.report = null;
    for (let i = 0; i < 5; i++) tick();
    expect(pipelines.output.frames.length).toBe(3);
    expect(pipelines.input.frames).toEqual(pipelines.output.frames);
    expect(pipelines.input.frames.at(-1)).toBe(control.stats().input_buffer_size);
  });

  test('is told to the next process, too, when that runs', () => {
    const { control, tick, pipelines } = bench({ minFrames: 6, maxFrames: 6 });
    tick();
    Object.assign(pipelines.output, { state: 'backoff', pid: null, report: undefined });
    tick();
    Object.assign(pipelines.output, { state: 'starting', pid: 13 });
    tick();
    expect(pipelines.output.frames).toEqual([6]);
    pipelines.output.state = 'running';
    control.tell('output');
    expect(pipelines.output.frames).toEqual([6, 6]);
    tick();
    expect(pipelines.output.frames).toEqual([6, 6]);
    expect(pipelines.input.frames).toEqual([6]);
  });

  test.each([
    ['by a pipeline that runs', new Error('not now'), ['buffer size was not taken']],
    ['as the pipeline ends', new ProtocolError('PIPELINE_UNAVAILABLE', 'it ends'), []],
  ])('that was not taken is told again: %s', async (_when, refusal, said) => {
    const { tick, pipelines } = bench({ minFrames: 6, maxFrames: 6 });
    lines.length = 0;
    pipelines.input.refusal = refusal;
    tick();
    await new Promise(setImmediate);
    pipelines.input.refusal = undefined;
    tick();
    await new Promise(setImmediate);
    tick();
    expect(pipelines.input.frames).toEqual([6, 6]);
    expect(pipelines.output.frames).toEqual([6]);
    expect(lines.map((line) => JSON.parse(line).msg)).toEqual(said);
  });

  test('is told to nobody where queues are not bound by it', () => {
    const { control, tick, pipelines } = bench({ boundQueues: false });
    for (let i = 0; i < 5; i++) tick();
    expect(control.stats().output_buffer_size).toBeGreaterThan(6);
    expect([...pipelines.output.frames, ...pipelines.input.frames]).toEqual([]);
  });

  test('goes all ticks that are due, by what is known then', () => {
    const { control, pipelines } = bench({ tickMs: 200 });
    const stepped = bench({ tickMs: 200 });
    control.look(199);
    // It is told the size that it begins with.
    expect(pipelines.output.frames).toEqual([6]);
    expect(control.stats().average_latency_ms).toBeNull();
    control.look(1_399);
    for (let i = 0; i < 6; i++) stepped.tick();
    expect(control.stats().average_latency_ms).toBe(stepped.control.stats().average_latency_ms);
    control.look(1_400);
    stepped.tick();
    expect(control.stats().average_latency_ms).toBe(stepped.control.stats().average_latency_ms);
  });

  test('is not changed by one look, in however many ticks it speaks for that', () => {
    const { control, pipelines } = bench({ tickMs: 200 });
    control.look(1_200);
    expect(pipelines.output.frames).toEqual([6]);
    control.look(2_400);
    // Each tick of the second look is one more that speaks for growing.
    const stepped = bench({ tickMs: 200 });
    for (let i = 0; i < 7; i++) stepped.tick();
    const { output_buffer_size: size } = control.stats();
    expect(size).toBeGreaterThan(6);
    expect(size).toBe(stepped.control.stats().output_buffer_size);
    expect(pipelines.output.frames).toEqual([6, size]);
  });

  test('settles, and takes no longer, where all of an hour is due', () => {
    const { control } = bench({ tickMs: 50 });
    for (const hours of [1, 2]) control.look(hours * 3_600_000);
    expect(control.stats().output_buffer_size).toBe(20);
    control.look(7_200_050);
    expect(control.stats().output_buffer_size).toBe(20);
  });
});
