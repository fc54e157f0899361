import { type PipelineReport, ProtocolError } from '@kvm-audio/protocol';
import type { Config } from './config/schema.js';

/** What the supervisor hands to a pipeline in its reply to `hello`. */
export type PipelineWelcome = {
  /** The whole configuration, checked, with the level that is set now. */
  config: Config;
};

/** The number under which a pipeline inherits the socket that its clients connect to. */
export const listenFd = 3;
/** The number under which a pipeline inherits the channel to its supervisor. */
export const supervisorFd = 4;

/** Notifications of a pipeline on that channel. */
export const pipelineNotices = {
  /** The pipeline accepts clients. No parameters. */
  ready: 'ready',
  /** `PipelineReport`, each `reportMs`, as a string: see `reportText`. */
  heartbeat: 'heartbeat',
  /** `LogRecord`: a line for the log. */
  log: 'log',
  /** `{ exitCode, message }`: it ends now, and why. */
  fatal: 'fatal',
} as const;

/**
 * How often a pipeline tells its figures by itself, which says that it lives; who wants those of now
 * asks for them. A process that sleeps wakes with cold caches: each second instead took half as much
 * again of the CPU of all JavaScript in the daemon (docs/architecture.md has the figures).
 */
export const reportMsMax = 2_500;

/** @returns a time of which whole ones pass between two checks of latency. */
export function reportMs({ latency }: Config): number {
  return latency.checkMs / Math.ceil(latency.checkMs / reportMsMax);
}

/**
 * A report is most of what is said on the channel. The supervisor runs without V8's compiler, and
 * a report each 2.5 s is too rare for the pipeline's: as JSON the runtime writes and reads it by itself,
 * in about a tenth of the time that msgpackr takes in JavaScript then (51 µs instead of 519, and
 * 39 instead of 352, with `--max-opt=0`; AMD EPYC, Node 20.20, 2026-11-29).
 */
export function reportText(report: PipelineReport): string {
  return JSON.stringify(report);
}

/**
 * Our own child has made it: its fields are not checked.
 *
 * @throws ProtocolError MALFORMED_MESSAGE where it is no JSON text at all.
 */
export function readReport(text: unknown): PipelineReport {
  try {
    if (typeof text === 'string') return JSON.parse(text) as PipelineReport;
  } catch {
    // It is named below.
  }
  throw new ProtocolError('MALFORMED_MESSAGE', 'a heartbeat is a report as JSON text');
}
