import { setTimeout as pause } from 'node:timers/promises';
import { ControlClient, ProtocolError } from '@kvm-audio/client';
import type { Options } from 'yargs';
import { socketOf } from './socketOf.js';

export const clientName = 'kvm-audioctl';

const tryAgainMs = 50;
const waitSecondsMax = 3_600;

export const waitOption = {
  wait: {
    type: 'number',
    requiresArg: true,
    default: 0,
    describe: 'wait for so many seconds at most until the daemon and its pipelines are up',
    coerce: (seconds: number) => {
      if (seconds >= 0 && seconds <= waitSecondsMax) return seconds;
      throw new Error(`--wait must be a number of seconds from 0 to ${waitSecondsMax}`);
    },
  },
} as const satisfies Record<string, Options>;

/** Nobody listens yet, or a pipeline is not up: both may pass. */
function mayPass(error: unknown): boolean {
  if (!(error instanceof ProtocolError)) return false;
  return error.code === 'CONNECTION_CLOSED' || error.code === 'PIPELINE_UNAVAILABLE';
}

async function askOnce<T>(ask: (control: ControlClient) => Promise<T>): Promise<T> {
  const control = await ControlClient.open({ path: socketOf('control'), client: clientName });
  try {
    return await ask(control);
  } finally {
    control.close();
  }
}

/**
 * Opens the control socket, asks, closes. For `waitSeconds` it does so again where the daemon or a
 * pipeline of it is not up, or where the answer is not the one that is waited for; then the last
 * answer, or error, is what comes of it.
 */
export async function askDaemon<T>(
  ask: (control: ControlClient) => Promise<T>,
  waitSeconds = 0,
  isAwaited: (answer: T) => boolean = () => true,
): Promise<T> {
  const deadlineMs = performance.now() + 1000 * waitSeconds;
  for (;;) {
    const isLast = performance.now() >= deadlineMs;
    try {
      const answer = await askOnce(ask);
      if (isLast || isAwaited(answer)) return answer;
    } catch (error) {
      if (isLast || !mayPass(error)) throw error;
    }
    await pause(tryAgainMs);
  }
}
