import { ProtocolError } from './errors.js';
import {
  type Check,
  integer,
  nothing,
  oneOf,
  optional,
  optionalFields,
  real,
  shape,
} from './fields.js';
import {
  type Direction,
  directions,
  type QualityLevel,
  qualityLevels,
  type StreamFormat,
} from './format.js';
import type { LatencyReport, PipelineTuning, TuningChange } from './latency.js';
import { sendQueuePacketsMax } from './limits.js';
import type { DaemonStatus } from './status.js';

export type QualityEntry = { direction: Direction; level: QualityLevel; format: StreamFormat };

export type MetricsText = {
  /** Of the text, for an HTTP header. */
  contentType: string;
  /** OpenMetrics 1.0. */
  text: string;
};

type Method<Params, Result> = { params: Params; result: Result };

/** Every request of the control socket, with its parameters and its result. */
export type ControlMethods = {
  'status.get': Method<Record<string, never>, DaemonStatus>;
  /** How long sound is on its way, stage by stage; nil for a pipeline that told nothing yet. */
  'latency.get': Method<Record<string, never>, LatencyReport>;
  /** The numbers of the status, for a program that watches many machines. */
  'metrics.get': Method<Record<string, never>, MetricsText>;
  /** Every level of the directions that run, as it would be with the present configuration. */
  'quality.list': Method<Record<string, never>, QualityEntry[]>;
  /** What is set, of one direction or of those that run. */
  'quality.get': Method<{ direction?: Direction }, QualityEntry[]>;
  /** Answers the effective format. Takes effect within one frame. */
  'quality.set': Method<{ direction: Direction; level: QualityLevel }, QualityEntry>;
};

/** What the supervisor asks of a pipeline on their private channel. */
export type PipelineMethods = {
  'pipeline.stop': Method<Record<string, never>, Record<string, never>>;
  'quality.list': Method<Record<string, never>, QualityEntry[]>;
  'quality.get': Method<Record<string, never>, QualityEntry>;
  'quality.set': Method<{ level: QualityLevel }, QualityEntry>;
  /** What a direction does not have is left alone. Answers what is in effect. */
  'tuning.set': Method<TuningChange, PipelineTuning>;
  /** Goes on with the newest audio, within the target. */
  'backlog.skip': Method<Record<string, never>, { skippedMs: number }>;
  /** So many frames may queue: see `QueueCapacity`. */
  'buffer.set': Method<{ frames: number }, Record<string, never>>;
  /** The figures of now: a `PipelineReport` as JSON text, as it tells them by itself. */
  'report.get': Method<Record<string, never>, string>;
};

export type ParamsOf<Map, M extends keyof Map> =
  Map[M] extends Method<infer P, unknown> ? P : never;
export type ResultOf<Map, M extends keyof Map> =
  Map[M] extends Method<unknown, infer R> ? R : never;

/** A function for each method of a map. */
export type MethodsOf<Map> = {
  [M in keyof Map]: (params: ParamsOf<Map, M>) => ResultOf<Map, M> | Promise<ResultOf<Map, M>>;
};

export const controlChecks: { [M in keyof ControlMethods]: Check<ParamsOf<ControlMethods, M>> } = {
  'status.get': nothing,
  'latency.get': nothing,
  'metrics.get': nothing,
  'quality.list': nothing,
  'quality.get': optionalFields(shape({ direction: optional(oneOf(directions)) })),
  'quality.set': shape({ direction: oneOf(directions), level: oneOf(qualityLevels) }),
};

export const pipelineChecks: {
  [M in keyof PipelineMethods]: Check<ParamsOf<PipelineMethods, M>>;
} = {
  'pipeline.stop': nothing,
  'quality.list': nothing,
  'quality.get': nothing,
  'quality.set': shape({ level: oneOf(qualityLevels) }),
  'tuning.set': shape({
    targetMs: optional(real(3, 500)),
    bufferMs: optional(real(5, 1_000)),
    periodMs: optional(real(1, 100)),
    complexity: optional(integer(0, 10)),
  }),
  'backlog.skip': nothing,
  'buffer.set': shape({ frames: integer(1, sendQueuePacketsMax) }),
  'report.get': nothing,
};

/**
 * Answers one request from a table: checks the parameters, runs the method.
 * @throws ProtocolError UNKNOWN_METHOD, BAD_PARAMS, or what the method throws.
 */
export function callMethod<Map>(
  checks: { [M in keyof Map]: Check<ParamsOf<Map, M>> },
  methods: MethodsOf<Map>,
  method: string,
  params: unknown,
): unknown {
  if (!Object.hasOwn(checks, method)) {
    throw new ProtocolError('UNKNOWN_METHOD', `there is no method ${method}`, {
      methods: Object.keys(checks),
    });
  }
  const name = method as keyof Map;
  return methods[name](checks[name](params, 'params'));
}
