import type { PipelineReport } from '@kvm-audio/protocol';
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
  /** `PipelineReport`, once a second, as a string: see `reportText`. */
  heartbeat: 'heartbeat',
  /** `LogRecord`: a line for the log. */
  log: 'log',
  /** `{ exitCode, message }`: it ends now, and why. */
  fatal: 'fatal',
} as const;

export const heartbeatMs = 1_000;

/**
 * A report is most of what is said on the channel, and neither end has V8's compiler at work on it.
 * As JSON the runtime writes and reads it by itself, in an eighth of the time that msgpackr takes
 * to do it in JavaScript.
 */
export function reportText(report: PipelineReport): string {
  return JSON.stringify(report);
}

/** Our own child has made it, of our own version: its fields are not checked. */
export function readReport(text: string): PipelineReport {
  return JSON.parse(text) as PipelineReport;
}
