import { exitCodes } from '@kvm-audio/daemon';

/** How a process ended, as Node tells it. */
export function describeExit(code: number | null, signal: NodeJS.Signals | null): string {
  return signal ? `killed by ${signal}` : `exit code ${code}`;
}

/** Of one that the supervisor ended, as it hung. */
export function describeEnding(code: number | null, signal: NodeJS.Signals | null): string {
  if (signal) return `killed by the supervisor (${signal})`;
  return code === exitCodes.ok ? 'ended by the supervisor' : describeExit(code, signal);
}
