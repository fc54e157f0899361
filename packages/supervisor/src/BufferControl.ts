import type { BufferSettings, Log } from '@kvm-audio/daemon';
import {
  type BufferStats,
  type Direction,
  directions,
  type PipelineMethods,
  type PipelineReport,
  type ProcessState,
  type ProcessUsage,
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

type Told = { pid: number | null; frames: number };

/**
 * The one owner of the `AdaptiveBufferManager`: tells it twice a second, while anything streams,
 * what the pipelines reported last, and tells each pipeline the size that it shall have, also the
 * next process of a pipeline that died.
 */
export class BufferControl {
  readonly #options: BufferControlOptions;
  readonly #manager: AdaptiveBufferManager;
  readonly #told: Partial<Record<Direction, Told>> = {};
  #timer: NodeJS.Timeout | undefined;

  constructor(options: BufferControlOptions) {
    this.#options = options;
    this.#manager = new AdaptiveBufferManager(options.settings);
  }

  start(): void {
    this.#timer = setInterval(() => this.tick(), this.#options.settings.tickMs);
  }

  /** Idempotent. */
  stop(): void {
    clearInterval(this.#timer);
  }

  stats(): BufferStats {
    return this.#manager.stats();
  }

  tick(): void {
    const { settings, pipelines } = this.#options;
    const streaming = directions.filter((d) => pipelines[d].report?.state === 'running');
    if (streaming.length > 0) this.#manager.tick(this.#sample(streaming), Date.now());
    if (!settings.boundQueues) return;
    for (const direction of directions) this.#tell(direction);
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

  #tell(direction: Direction): void {
    const { pipelines, log } = this.#options;
    const { state, pid } = pipelines[direction];
    const frames = this.#manager.sizes[direction];
    const told = this.#told[direction];
    if (state !== 'running' || (told?.pid === pid && told.frames === frames)) return;
    const telling = { pid, frames };
    this.#told[direction] = telling;
    log.debug({ direction, frames }, 'buffer size');
    pipelines[direction].ask('buffer.set', { frames }).catch((error: Error) => {
      log.warn({ direction, frames, reason: error.message }, 'buffer size was not taken');
      if (this.#told[direction] === telling) delete this.#told[direction];
    });
  }
}
