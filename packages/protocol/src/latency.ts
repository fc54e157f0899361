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

/** What `latency.get` tells of one direction. */
export type DirectionLatency = {
  direction: Direction;
  /** Milliseconds since the pipeline measured it. */
  ageMs: number;
  endToEnd: LatencySummary;
  stages: StageLatencies;
};

export type LatencyReport = {
  output: DirectionLatency | null;
  input: DirectionLatency | null;
};
