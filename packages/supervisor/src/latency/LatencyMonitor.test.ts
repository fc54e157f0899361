import { checkConfig } from '@kvm-audio/daemon/config';
import { createLog } from '@kvm-audio/daemon/log';
import {
  type Direction,
  type LatencyFigures,
  noDrops,
  type PipelineReport,
  type PipelineTuning,
  type TuningChange,
} from '@kvm-audio/protocol';
import { LatencyMonitor, type LatencySubject } from './LatencyMonitor.js';

const perSecond = 50;

/** A pipeline in virtual time: each second is a report of frames with the latency that it has now. */
class FakePipeline implements LatencySubject {
  process = 1;
  latencyMs = 20;
  encodeMs = 1;
  transitMs = 0;
  underruns = 0;
  xruns = 0;
  readonly drops = noDrops();
  concealedMs = 0;
  from: 'capture' | 'arrival' = 'capture';
  readonly changes: (TuningChange | 'skip')[] = [];
  /** Carries a change out. */
  onTune: (change: TuningChange) => void = () => undefined;
  refuses = false;
  tuning: PipelineTuning;
  #report: PipelineReport | null = null;
  #count = 0;
  #totalMs = 0;
  #encodeTotalMs = 0;

  constructor(tuning: Partial<PipelineTuning>) {
    this.tuning = {
      targetMs: null,
      spareMs: null,
      beyondMs: 0,
      bufferMs: 100,
      bufferMsMin: 10,
      periodMs: 5,
      complexity: null,
      ...tuning,
    };
  }

  second(): void {
    this.#count += perSecond;
    this.#totalMs += perSecond * this.latencyMs;
    this.#encodeTotalMs += perSecond * this.encodeMs;
    const figures = (totalMs: number): LatencyFigures => ({
      count: perSecond,
      meanMs: this.latencyMs,
      p50Ms: 0,
      p95Ms: 0,
      p99Ms: 0,
      maxMs: 0,
      jitterMs: 1,
      trendMsPerMinute: 0,
      totalCount: this.#count,
      totalMs,
    });
    this.#report = {
      latency: { ...figures(this.#totalMs), from: this.from },
      stages: { encode: figures(this.#encodeTotalMs) },
      tuning: { ...this.tuning },
      format: { frameMs: 20 },
      underruns: this.underruns,
      concealedMs: this.concealedMs,
      xruns: this.xruns,
      drops: { ...this.drops },
    } as PipelineReport;
  }

  /** Another process: it counts from the start. */
  restart(): void {
    this.process += 1;
    this.#report = null;
    this.#count = this.#totalMs = this.#encodeTotalMs = 0;
  }

  pid(): number {
    return this.process;
  }

  report(): PipelineReport | null {
    return this.#report;
  }

  cpuPercent(): number | null {
    return null;
  }

  async tune(change: TuningChange): Promise<void> {
    this.changes.push(change);
    if (this.refuses) throw new Error('no process');
    this.onTune(change);
  }

  async skipBacklog(): Promise<void> {
    this.changes.push('skip');
  }
}

function bench(changed: Record<string, unknown> = {}) {
  const output = new FakePipeline({ targetMs: 80, spareMs: 60, beyondMs: 0 });
  const input = new FakePipeline({ complexity: 10 });
  const subjects: Record<Direction, FakePipeline> = { output, input };
  const lines: string[] = [];
  const config = checkConfig({ latency: changed }, 'test').latency;
  const log = createLog('test', 'info', (line) => lines.push(line));
  const monitor = new LatencyMonitor({ config, subjects, log }, 0);
  let nowMs = 0;
  const run = async (seconds: number): Promise<void> => {
    for (let i = 0; i < seconds; i++) {
      nowMs += 1_000;
      output.second();
      input.second();
      monitor.look(nowMs);
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  return { monitor, output, input, lines, run };
}

describe('a daemon', () => {
  test('whose sound is in time changes nothing', async () => {
    const { output, input, run } = bench();
    output.latencyMs = 89;
    await run(60);
    expect([...output.changes, ...input.changes]).toEqual([]);
  });

  test('that is late in its output takes one step, keeps it, and says so', async () => {
    const { monitor, output, lines, run } = bench();
    output.latencyMs = 130;
    output.onTune = ({ targetMs = 0 }) => {
      output.latencyMs = 50 + targetMs;
      output.tuning = { ...output.tuning, targetMs, spareMs: 0 };
    };
    await run(60);
    expect(output.changes).toEqual([{ targetMs: 20 }]);
    expect(monitor.reportOf('output')).toMatchObject({ steps: { margin: 1 }, undone: 0 });
    expect(lines.join()).toMatch(/latency: margin: 60 ms were never needed: target 20 ms/);
  });

  const holes: readonly [string, (output: FakePipeline) => void][] = [
    [
      'underruns',
      (output) => {
        output.underruns += 1;
      },
    ],
    [
      'xruns of the card',
      (output) => {
        output.xruns += 1;
      },
    ],
    [
      'late packets',
      (output) => {
        output.drops.late_packet += 1;
      },
    ],
    [
      'lost slots',
      (output) => {
        output.drops.capture_ring_full += 1;
      },
    ],
  ];

  test.each(holes)('takes a step back after which %s rise', async (_, make) => {
    const { monitor, output, run } = bench();
    output.latencyMs = 130;
    output.onTune = ({ targetMs = 0 }) => {
      output.latencyMs = 50 + targetMs;
      output.tuning = { ...output.tuning, targetMs };
      make(output);
    };
    await run(40);
    expect(output.changes).toEqual([{ targetMs: 20 }, { targetMs: 80 }]);
    expect(monitor.reportOf('output')).toMatchObject({ steps: { margin: 1 }, undone: 1 });
  });

  test('takes a step back after which sound is made up for packets that come a little late', async () => {
    const { monitor, output, run } = bench();
    output.latencyMs = 130;
    output.onTune = ({ targetMs = 0 }) => {
      output.latencyMs = 50 + targetMs;
      output.tuning = { ...output.tuning, targetMs };
      output.concealedMs += 200;
    };
    await run(40);
    expect(output.changes).toEqual([{ targetMs: 20 }, { targetMs: 80 }]);
    expect(monitor.reportOf('output').last).toBe(
      'margin: taken back, 200 ms were made up, 0 before',
    );
  });

  test('that has begun is judged by the first five seconds of which it knows all', async () => {
    const { output, run } = bench();
    output.latencyMs = 130;
    await run(9);
    expect(output.changes).toEqual([]);
    await run(1);
    expect(output.changes).toEqual([{ targetMs: 20 }]);
  });

  test('is late also where the time from one report to the next is above the maximum', async () => {
    const { output, run } = bench();
    await run(8);
    output.latencyMs = 201;
    await run(1);
    output.latencyMs = 20;
    await run(2);
    expect(output.changes).toHaveLength(1);
  });

  test('looks for the cause in the input where the output waits for it', async () => {
    const { output, input, run } = bench();
    output.tuning = { ...output.tuning, spareMs: 0 };
    output.latencyMs = 130;
    input.encodeMs = 10;
    await run(11);
    expect(input.changes).toEqual([{ complexity: 5 }]);
  });

  test('does not where the output plays somebody else', async () => {
    const { output, input, run } = bench();
    output.tuning = { ...output.tuning, spareMs: 0 };
    output.latencyMs = 130;
    output.from = 'arrival';
    input.encodeMs = 10;
    await run(60);
    expect(input.changes).toEqual([]);
  });

  test('changes one direction at a time', async () => {
    const { output, input, run } = bench();
    output.latencyMs = input.latencyMs = 130;
    input.encodeMs = 10;
    await run(19);
    expect([output.changes.length, input.changes.length]).toEqual([1, 0]);
    await run(20);
    expect(input.changes).toEqual([{ complexity: 5 }]);
  });

  test('forgets a step whose process has gone', async () => {
    const { output, run } = bench();
    output.latencyMs = 130;
    await run(11);
    output.restart();
    output.latencyMs = 20;
    await run(30);
    expect(output.changes).toEqual([{ targetMs: 20 }]);
  });

  test('says so where a step failed, and tries again', async () => {
    const { output, lines, run } = bench();
    output.latencyMs = 130;
    output.refuses = true;
    await run(16);
    expect(lines.join()).toContain('latency: a step failed');
    expect(output.changes).toHaveLength(2);
  });

  test('that is not to change anything only measures', async () => {
    const { output, run } = bench({ optimise: false });
    output.latencyMs = 500;
    await run(60);
    expect(output.changes).toEqual([]);
  });
});
