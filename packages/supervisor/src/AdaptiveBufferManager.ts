import type { BufferSettings } from '@kvm-audio/daemon';
import { type BufferStats, type Direction, directions } from '@kvm-audio/protocol';
import { OverflowWatch, type PacketCounts } from './OverflowWatch.js';

/** What a tick looks at. */
export type BufferSample = {
  /** The processes that audio goes through. Without any nothing changes. */
  processes: readonly { cpuPercent: number; memoryPercent: number }[];
  /** The newest figure; undefined where there is none. */
  latencyMs: number | undefined;
  /** Of the output's jitter buffer. */
  jitterBuffer: PacketCounts;
};

/** Frames that each direction's queue may hold. */
export type BufferSizes = Record<Direction, number>;

/** From 1 below `low` over 0 in the middle to -1 above `high`. */
function factor(x: number, low: number, high: number): number {
  if (x > high) return -1;
  if (x < low) return 1;
  const middle = (low + high) / 2;
  return (middle - x) / (middle - low);
}

const sum = (values: readonly number[]): number => values.reduce((total, x) => total + x, 0);

/** Half a frame counts as one: sizes are positive, so up is away from zero. */
const roundSize = Math.round;

/**
 * How many frames may queue at most, in each direction: more where the machine has time and
 * memory, less where audio is late. Capacity is no delay: what does queue is the playout target's
 * business. Pure arithmetic: it is told each tick what there is to know, and knows no clock.
 */
export class AdaptiveBufferManager {
  readonly #settings: BufferSettings;
  readonly #overflow: OverflowWatch;
  /** With `floatState` in fractions, else the applied sizes themselves. */
  #state: BufferSizes;
  #applied: BufferSizes;
  #averageMs: number | undefined;
  #cpuPercent: number | null = null;
  #memoryPercent: number | null = null;
  #isLate = false;
  /** For how many ticks in a row growing (1) or shrinking (-1) was spoken for. */
  #trend = 0;
  #trendTicks = 0;
  #trendSamples = 0;
  #adaptations = 0;
  #lastAdaptationMs: number | null = null;

  constructor(settings: BufferSettings) {
    const { startFrames, overflowWindowMs, tickMs, overflowPercent } = settings;
    this.#settings = settings;
    this.#overflow = new OverflowWatch(Math.ceil(overflowWindowMs / tickMs), overflowPercent);
    this.#state = { output: startFrames, input: startFrames };
    this.#applied = { ...this.#state };
  }

  get sizes(): Readonly<BufferSizes> {
    return this.#applied;
  }

  /**
   * @param nowMs when it is, since 1970: for `last_adaptation` alone.
   * @param again nothing was looked at since the tick before: the sample is still that one's.
   */
  tick({ processes, latencyMs, jitterBuffer }: BufferSample, nowMs: number, again = false): void {
    if (processes.length === 0) return;
    this.#cpuPercent = sum(processes.map(({ cpuPercent }) => cpuPercent));
    this.#memoryPercent =
      sum(processes.map(({ memoryPercent }) => memoryPercent)) / processes.length;
    if (latencyMs !== undefined) this.#smooth(latencyMs);
    const combined = this.#combine(this.#cpuPercent, this.#memoryPercent);
    const next = this.#move(combined, again);
    if (this.#settings.overflowAndHysteresis && this.#overflow.tick(jitterBuffer)) {
      if (!this.#isLate) next.output = this.#clamp(next.output + 1);
    }
    const changed = this.#settings.floatState ? this.#applyEach(next) : this.#applyBoth(next);
    if (!changed) return;
    this.#adaptations += 1;
    this.#lastAdaptationMs = nowMs;
  }

  stats(): BufferStats {
    return {
      input_buffer_size: this.#applied.input,
      output_buffer_size: this.#applied.output,
      average_latency_ms: this.#averageMs ?? null,
      system_cpu_percent: this.#cpuPercent,
      system_memory_percent: this.#memoryPercent,
      adaptation_count: this.#adaptations,
      last_adaptation: this.#lastAdaptationMs,
    };
  }

  /** An average of 0 has nothing to say: it takes the figure as it is. */
  #smooth(latencyMs: number): void {
    const { latencySmoothing } = this.#settings;
    this.#averageMs = this.#averageMs
      ? (1 - latencySmoothing) * this.#averageMs + latencySmoothing * latencyMs
      : latencyMs;
  }

  #combine(cpuPercent: number, memoryPercent: number): number {
    const settings = this.#settings;
    const latency = this.#latencyFactor();
    if (this.#isLate) return -1;
    const cpu = factor(cpuPercent, settings.cpuLowPercent, settings.cpuHighPercent);
    const memory = factor(memoryPercent, settings.memoryLowPercent, settings.memoryHighPercent);
    const { cpuWeight, memoryWeight, latencyWeight } = settings;
    return cpuWeight * cpu + memoryWeight * memory + latencyWeight * latency;
  }

  /** With authority a latency that nobody knows says nothing, and one over the most says all. */
  #latencyFactor(): number {
    const { latencyTargetMs, latencyMaxMs, latencyAuthority } = this.#settings;
    const averageMs = this.#averageMs ?? 0;
    if (latencyAuthority) {
      if (this.#averageMs === undefined) return 0;
      if (averageMs > latencyMaxMs) this.#isLate = true;
      if (averageMs < (latencyTargetMs + latencyMaxMs) / 2) this.#isLate = false;
    }
    return factor(averageMs, latencyTargetMs, latencyMaxMs);
  }

  #move(combined: number, again: boolean): BufferSizes {
    const holds = this.#holds(Math.sign(combined), again);
    const size = (direction: Direction): number => {
      const now = this.#state[direction];
      return holds
        ? this.#clamp(now + this.#settings.sizeSmoothing * this.#way(now, combined))
        : now;
    };
    return { output: size('output'), input: size('input') };
  }

  /** From a size to its target. */
  #way(size: number, combined: number): number {
    const { minFrames, maxFrames } = this.#settings;
    return combined > 0 ? combined * (maxFrames - size) : combined * (size - minFrames);
  }

  /** Whether this was spoken for long enough. The first sample that does is one word, however often told. */
  #holds(trend: number, again: boolean): boolean {
    const { overflowAndHysteresis, growTicks, shrinkTicks } = this.#settings;
    if (trend !== this.#trend) {
      this.#trend = trend;
      this.#trendTicks = 1;
      this.#trendSamples = 1;
    } else {
      if (!again) this.#trendSamples += 1;
      if (this.#trendSamples > 1) this.#trendTicks += 1;
    }
    return !overflowAndHysteresis || this.#trendTicks >= (trend > 0 ? growTicks : shrinkTicks);
  }

  #clamp(size: number): number {
    const { minFrames, maxFrames } = this.#settings;
    return Math.min(Math.max(size, minFrames), maxFrames);
  }

  /** @returns whether a size has changed. */
  #applyEach(next: BufferSizes): boolean {
    this.#state = next;
    const due = directions.filter(
      (direction) =>
        this.#isFar(next, direction) && roundSize(next[direction]) !== this.#applied[direction],
    );
    for (const direction of due) this.#applied[direction] = roundSize(next[direction]);
    return due.length > 0;
  }

  /** Where one direction has moved far enough, both are taken; else what moved is forgotten. */
  #applyBoth(next: BufferSizes): boolean {
    if (!directions.some((direction) => this.#isFar(next, direction))) return false;
    for (const direction of directions) this.#applied[direction] = roundSize(next[direction]);
    this.#state = { ...this.#applied };
    return true;
  }

  #isFar(next: BufferSizes, direction: Direction): boolean {
    return Math.abs(next[direction] - this.#applied[direction]) >= this.#settings.applyFrames;
  }
}
