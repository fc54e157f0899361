import type { BufferSettings, Log } from '@kvm-audio/daemon';
import {
  type BufferStats,
  type Direction,
  directions,
  type PipelineMethods,
  type PipelineReport,
  type ProcessState,
  type ProcessUsage,
  type ProtocolError,
} from '@kvm-audio/protocol';
import { AdaptiveBufferManager, type BufferSample } from './AdaptiveBufferManager.js';

/** A pipeline as it is seen from here. */
export interface SizedPipeline {
  readonly state: ProcessState;
  readonly pid: number | null;
  readonly report: PipelineReport | null;
  ask(method: 'buffer.set', params: PipelineMethods['buffer.set']['params']): Promise<unknown>;
}

export type BufferControlOptions = {
  settings: BufferSettings;
  pipelines: Record<Direction, SizedPipeline>;
  usageOf(pid: number | null): ProcessUsage | null;
  log: Log;
};

/** Who was stopped for long does not make all of its ticks up. */
const ticksMax = 100;

type Told = { pid: number | null; frames: number };

/**
 * The one owner of the `AdaptiveBufferManager`: tells it each tick, while anything streams, what the
 * pipelines reported last, and tells each pipeline the size that it shall have, also the next
 * process of a pipeline that died.
 */
export class BufferControl {
  readonly #options: BufferControlOptions;
  readonly #manager: AdaptiveBufferManager;
  readonly #told: Partial<Record<Direction, Told>> = {};
  /** When the last tick was due. */
  #tickedMs: number;

  constructor(options: BufferControlOptions, nowMs: number) {
    this.#options = options;
    this.#tickedMs = nowMs;
    this.#manager = new AdaptiveBufferManager(options.settings);
  }

  stats(): BufferStats {
    return this.#manager.stats();
  }

  /** All ticks that have become due: what they look at changes no more often than this is called. */
  look(nowMs: number): void {
    const { settings, pipelines } = this.#options;
    const streaming = directions.filter((d) => pipelines[d].report?.state === 'running');
    const sample = streaming.length > 0 ? this.#sample(streaming) : undefined;
    const due = Math.floor((nowMs - this.#tickedMs) / settings.tickMs);
    this.#tickedMs += due * settings.tickMs;
    if (sample) {
      for (let i = 0; i < Math.min(due, ticksMax); i++) {
        this.#manager.tick(sample, Date.now(), i > 0);
      }
    }
    for (const direction of directions) this.tell(direction);
  }

  #sample(streaming: readonly Direction[]): BufferSample {
    const { pipelines } = this.#options;
    const { framesReceived, drops } = pipelines.output.report ?? {};
    return {
      processes: directions.flatMap((direction) => this.#usage(direction)),
      latencyMs: this.#latencyMs(streaming),
      jitterBuffer: { received: framesReceived ?? 0, overflowed: drops?.jitter_overflow ?? 0 },
    };
  }

  #usage(direction: Direction): BufferSample['processes'][number][] {
    const { pipelines, usageOf } = this.#options;
    const usage = usageOf(pipelines[direction].pid);
    if (!usage || usage.cpuPercent === null) return [];
    return [{ cpuPercent: usage.cpuPercent, memoryPercent: usage.memoryPercent }];
  }

  /**
   * Audio that goes from the input to the output waits in both. Without authority it is the whole
   * way, as the output measures it where it can.
   */
  #latencyMs(streaming: readonly Direction[]): number | undefined {
    const { settings, pipelines } = this.#options;
    const reports = streaming.flatMap((direction) => pipelines[direction].report ?? []);
    if (settings.latencyAuthority) return reports.reduce((ms, { queueMs }) => ms + queueMs, 0);
    const measured = reports.filter(({ latency }) => latency.count > 0);
    if (measured.length === 0) return undefined;
    return Math.max(...measured.map(({ latency }) => latency.p50Ms));
  }

  /** For a pipeline that has come up, too: until it is told it has another bound. */
  tell(direction: Direction): void {
    const { settings, pipelines, log } = this.#options;
    if (!settings.boundQueues) return;
    const { state, pid } = pipelines[direction];
    const frames = this.#manager.sizes[direction];
    const told = this.#told[direction];
    if (state !== 'running' || (told?.pid === pid && told.frames === frames)) return;
    const telling = { pid, frames };
    this.#told[direction] = telling;
    log.debug({ direction, frames }, 'buffer size');
    pipelines[direction].ask('buffer.set', { frames }).catch((error: Partial<ProtocolError>) => {
      if (this.#told[direction] === telling) delete this.#told[direction];
      // That it has ended is told already.
      if (error.code === 'PIPELINE_UNAVAILABLE') return;
      log.warn({ direction, frames, reason: error.message }, 'buffer size was not taken');
    });
  }
}
