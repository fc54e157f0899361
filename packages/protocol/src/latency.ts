import type { Direction } from './format.js';

/**
 * The stages of a frame's way, in their order. Input: `capture_wait`, from the last sample's time
 * at the card until the encoder starts; `encode`; `ipc`, from the encoder's end until the kernel
 * has the packet for every client that reads; where one had to wait, its time too. Output: `transit`, from the last sample's capture until the
 * packet was read here, whoever carried it; `queue`, as a packet and in the ring before the
 * device; `decode`; `device`, what the card itself still holds.
 */
export const latencyStages = [
  'capture_wait',
  'encode',
  'ipc',
  'transit',
  'queue',
  'decode',
  'device',
] as const;
export type LatencyStage = (typeof latencyStages)[number];

/** Of the last 10 to 20 s, but for the totals. With a count of 0 all are 0. */
export type LatencyFigures = {
  /** Samples behind the figures. */
  count: number;
  meanMs: number;
  p50Ms: number;
  p95Ms: number;
  p99Ms: number;
  maxMs: number;
  /** Mean step from one sample to the next. */
  jitterMs: number;
  /** Slope of the means of the last minute, 0 while there are less than 30 s. */
  trendMsPerMinute: number;
  /** All samples since the pipeline's start, and their sum: two reports give the mean between. */
  totalCount: number;
  totalMs: number;
};

export type LatencySummary = LatencyFigures & {
  /** What the time is counted from: the capture of the sound, or its arrival here. */
  from: 'capture' | 'arrival';
};

export type StageLatencies = { [S in LatencyStage]?: LatencyFigures };

/** What of a pipeline bears on its latency and can be changed while it runs. */
export type PipelineTuning = {
  /** Output: unplayed audio wanted when the next packet comes; nil of an input. */
  targetMs: number | null;
  /** Output: what of that hardly a packet of the last 5 to 10 s has needed; nil of an input. */
  spareMs: number | null;
  /** Output: what the card holds beyond its buffer. Input: how late it gives what it captured. */
  beyondMs: number;
  /** As the card is asked for, the next time that it is opened at the latest. */
  bufferMs: number;
  /** Less than this it cannot be: the periods, and the output's longest margin, fit into it. */
  bufferMsMin: number;
  periodMs: number;
  /** Input: the most that the encoder may have; nil of an output. */
  complexity: number | null;
};

/** What is to change of it. */
export type TuningChange = {
  targetMs?: number;
  bufferMs?: number;
  periodMs?: number;
  complexity?: number;
};

/** Why a direction can be late, where something can be done about it. */
export const latencyCauses = ['backlog', 'cpu', 'margin', 'buffer'] as const;
export type LatencyCause = (typeof latencyCauses)[number];

/** What was done against latency since the daemon's start. */
export type OptimiserReport = {
  /** Steps, by their cause. */
  steps: Record<LatencyCause, number>;
  /** Steps that were taken back, as the sound suffered or latency did not fall. */
  undone: number;
  /** Steps that were given back when it was calm for long. */
  restored: number;
  /** The newest of all these in words; nil where there was none. */
  last: string | null;
};

export function noSteps(): Record<LatencyCause, number> {
  return Object.fromEntries(latencyCauses.map((cause) => [cause, 0])) as Record<
    LatencyCause,
    number
  >;
}

/** What `latency.get` tells of one direction. */
export type DirectionLatency = {
  direction: Direction;
  /** Milliseconds since the pipeline measured it. */
  ageMs: number;
  endToEnd: LatencySummary;
  stages: StageLatencies;
  tuning: PipelineTuning;
  optimiser: OptimiserReport;
};

export type LatencyReport = {
  /** What is wanted: `latency` of the configuration. */
  limits: { targetMs: number; maxMs: number; jitterMs: number };
  output: DirectionLatency | null;
  input: DirectionLatency | null;
};
