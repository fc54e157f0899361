import type { Config, Log } from '@kvm-audio/daemon';
import {
  type Direction,
  directions,
  type OptimiserReport,
  type PipelineReport,
  type TuningChange,
} from '@kvm-audio/protocol';
import { type Decision, LatencyOptimiser, type Observation } from './LatencyOptimiser.js';
import { type Interval, LatencyWatch } from './LatencyWatch.js';

/** What calls may be late once, and not the next time: half of the least time between two calls. */
const earlyMs = 500;

/** A pipeline, as far as its latency goes. */
export interface LatencySubject {
  /** Of its process; nil where there is none. */
  pid(): number | null;
  /** The newest, nil before the first. */
  report(): PipelineReport | null;
  /** Of its process, of one core; nil where it is not known. */
  cpuPercent(): number | null;
  tune(change: TuningChange): Promise<unknown>;
  skipBacklog(): Promise<unknown>;
}

export type LatencyMonitorOptions = {
  config: Config['latency'];
  subjects: Record<Direction, LatencySubject>;
  log: Log;
};

type Watched = {
  subject: LatencySubject;
  watch: LatencyWatch;
  optimiser: LatencyOptimiser;
  pid: number | null;
};

/** Holes in the sound, whatever made them: what a step must not add to. */
function underrunsOf({ underruns, xruns, drops }: PipelineReport): number {
  return underruns + xruns + drops.late_packet + drops.capture_ring_full;
}

/**
 * Looks at the latency of both directions, and has it made less where it is too high: one step in
 * one direction at a time. The output goes first; it waits for the input where both are bridged.
 */
export class LatencyMonitor {
  readonly #options: LatencyMonitorOptions;
  readonly #watched: Record<Direction, Watched>;
  #checkedAtMs: number;

  constructor(options: LatencyMonitorOptions, nowMs: number) {
    this.#options = options;
    this.#checkedAtMs = nowMs;
    const watch = (direction: Direction): Watched => ({
      subject: options.subjects[direction],
      watch: new LatencyWatch(),
      optimiser: new LatencyOptimiser(options.config),
      pid: null,
    });
    this.#watched = { output: watch('output'), input: watch('input') };
  }

  reportOf(direction: Direction): OptimiserReport {
    return this.#watched[direction].optimiser.report();
  }

  /** As often as reports come, and as it is to check. */
  look(nowMs: number): void {
    for (const direction of directions) this.#look(this.#watched[direction]);
    if (nowMs - this.#checkedAtMs < this.#options.config.checkMs - earlyMs) return;
    this.#checkedAtMs = nowMs;
    this.#check(nowMs);
  }

  #look(watched: Watched): void {
    const { subject, watch, optimiser } = watched;
    const pid = subject.pid();
    if (pid !== watched.pid) {
      watched.pid = pid;
      watch.forget();
      optimiser.forget();
    }
    const report = subject.report();
    if (report) watch.look(report);
  }

  #check(nowMs: number): void {
    const output = this.#watched.output.watch.take();
    const input = this.#watched.input.watch.take();
    if (!this.#options.config.optimise) return;
    const outputIsLate = output !== undefined && this.#isLate(output);
    const settling = this.#watched.input.optimiser.settling;
    const stepped = output && this.#observe('output', output, outputIsLate && !settling, nowMs);
    if (!input || stepped) return;
    // A packet that was captured here is late there for what it waited here.
    const bridged = this.#watched.output.subject.report()?.latency.from === 'capture';
    const late = this.#isLate(input) || (outputIsLate && bridged);
    this.#observe('input', input, late && !this.#watched.output.optimiser.settling, nowMs);
  }

  #isLate({ averageMs, worstMs }: Interval): boolean {
    const { targetMs, tolerance, maxMs } = this.#options.config;
    return averageMs > tolerance * targetMs || worstMs > maxMs;
  }

  /** @returns whether something is done. */
  #observe(direction: Direction, interval: Interval, over: boolean, nowMs: number): boolean {
    const { subject, optimiser } = this.#watched[direction];
    const report = subject.report();
    if (!report) return false;
    const observation: Observation = {
      over,
      calm: interval.averageMs < this.#options.config.targetMs,
      averageMs: interval.averageMs,
      jitterMs: report.latency.jitterMs,
      stagesMs: interval.stagesMs,
      tuning: report.tuning,
      frameMs: report.format.frameMs,
      cpuPercent: subject.cpuPercent(),
      underruns: underrunsOf(report),
      concealedMs: report.concealedMs,
    };
    const decision = optimiser.observe(observation, nowMs);
    if (!decision) return false;
    const averageMs = Math.round(interval.averageMs);
    this.#options.log.info({ direction, averageMs }, `latency: ${decision.reason}`);
    this.#carryOut(direction, decision).catch((error: Error) => {
      this.#options.log.warn({ direction, reason: error.message }, 'latency: a step failed');
      optimiser.forget();
    });
    return true;
  }

  async #carryOut(direction: Direction, { action, step }: Decision): Promise<void> {
    const { subject } = this.#watched[direction];
    const change = action === 'step' ? step.change : step.undo;
    await (change === null ? subject.skipBacklog() : subject.tune(change));
  }
}
