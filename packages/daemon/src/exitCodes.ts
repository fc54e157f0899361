import { escapeControls } from '@kvm-audio/protocol';

/**
 * How our processes end when they cannot do their work: one code for each cause, after one line on
 * standard error that names what and where. Numbers as in sysexits.h where it has the case.
 */
export const exitCodes = Object.freeze({
  ok: 0,
  /** A bug: an assertion failed or nobody caught an error. */
  internal: 70,
  /** Bad configuration: a key that is unknown or out of bounds, a file that cannot be read. */
  configuration: 64,
  /** ALSA knows no PCM of the configured name. */
  unknownDevice: 66,
  /** A daemon runs already in this runtime folder. */
  alreadyRunning: 69,
  /** The runtime folder cannot be made or written. */
  runtimeFolder: 73,
  /** The runtime folder's path leaves no room for a socket's name. */
  socketPath: 78,
});

/** Ends the process with one line, fit for a terminal, and a code of its own. */
export class FatalError extends Error {
  readonly exitCode: number;

  constructor(exitCode: number, message: string) {
    super(escapeControls(message));
    this.name = 'FatalError';
    this.exitCode = exitCode;
  }
}
