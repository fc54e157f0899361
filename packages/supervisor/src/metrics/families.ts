import {
  type DaemonStatus,
  directions,
  type LatencyFigures,
  type PipelineReport,
  type PipelineStatus,
  type PoolStats,
  type ProcessUsage,
} from '@kvm-audio/protocol';
import type { Family, Labels, Sample } from './OpenMetricsText.js';

/** A family, and what a status says of it. */
export type StatusFamily = Family & { samples(status: DaemonStatus): Sample[] };

type Read = StatusFamily['samples'];

/** More digits are noise, and a microsecond is less than anything here is good for. */
export function rounded(value: number): number {
  return Math.round(1e6 * value) / 1e6;
}

export function seconds(ms: number | null): number | null {
  return ms === null ? null : rounded(ms / 1_000);
}

export function ratio(percent: number | null): number | null {
  return percent === null ? null : rounded(percent / 100);
}

/** Of the daemon as a whole. */
export function one(value: (status: DaemonStatus) => number | null): Read {
  return (status) => [{ value: value(status) }];
}

/** Of each direction, whether it has a process or not. */
export function each(samples: (pipeline: PipelineStatus) => readonly Sample[]): Read {
  return (status) =>
    directions.flatMap((direction) =>
      samples(status[direction]).map((sample) => ({
        ...sample,
        labels: { direction, ...sample.labels },
      })),
    );
}

/** The same, of what the running process reported; nothing where it has not. */
export function eachStream(samples: (stream: PipelineReport) => readonly Sample[]): Read {
  return each(({ stream }) => (stream ? samples(stream) : []));
}

/** One value of each report. */
export function told(value: (stream: PipelineReport) => number | null): Read {
  return eachStream((stream) => [{ value: value(stream) }]);
}

/** One value of the output's report: of what only playing has. */
export function played(value: (stream: PipelineReport) => number | null): Read {
  return ({ output }) =>
    output.stream ? [{ labels: { direction: 'output' }, value: value(output.stream) }] : [];
}

/** One value of the input's report. */
export function captured(value: (stream: PipelineReport) => number | null): Read {
  return ({ input }) =>
    input.stream ? [{ labels: { direction: 'input' }, value: value(input.stream) }] : [];
}

/** One value of each process that was looked at. */
export function used(value: (usage: ProcessUsage) => number | null): Read {
  return ({ usage, output, input }) =>
    Object.entries({ supervisor: usage, output: output.usage, input: input.usage }).flatMap(
      ([process, of]) => (of ? [{ labels: { process }, value: value(of) }] : []),
    );
}

/** A value for each key, which stands in the label. */
export function byKey(label: string, counts: Readonly<Record<string, number>>): Sample[] {
  return Object.entries(counts).map(([key, value]) => ({ labels: { [label]: key }, value }));
}

/** One value of each pool of a pipeline. */
export function inPools(value: (pool: PoolStats) => number): Read {
  return eachStream(({ pools: { packets, control } }) =>
    byKey('pool', { packets: value(packets), control: value(control) }),
  );
}

/** 1 for the state that it is in, 0 for all others. */
export function states(all: readonly string[], state: string): Sample[] {
  return all.map((name) => ({ labels: { state: name }, value: name === state ? 1 : 0 }));
}

/** Quantiles of the last 10 to 20 s, of which 1 is the longest; count and sum since the start. */
export function summary(figures: LatencyFigures, labels: Labels = {}): Sample[] {
  const { count, p50Ms, p95Ms, p99Ms, maxMs, totalCount, totalMs } = figures;
  const quantiles = { '0.5': p50Ms, '0.95': p95Ms, '0.99': p99Ms, '1.0': maxMs };
  const lately = Object.entries(quantiles).map(([quantile, ms]) => ({
    labels: { ...labels, quantile },
    value: count > 0 ? seconds(ms) : null,
  }));
  return [
    ...lately,
    { suffix: '_count', labels, value: totalCount },
    { suffix: '_sum', labels, value: seconds(totalMs) },
  ];
}

/** A figure of the last 10 to 20 s, which is none where nothing was measured. */
export function lately(value: (latency: LatencyFigures) => number | null): Read {
  return told(({ latency }) => (latency.count > 0 ? value(latency) : null));
}
