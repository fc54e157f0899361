import type { DaemonStatus, LatencyFigures } from '@kvm-audio/client';
import type { TestDaemon } from './TestDaemon.js';

type Totals = Pick<LatencyFigures, 'totalCount' | 'totalMs'>;

const nothing: Totals = { totalCount: 0, totalMs: 0 };

/** Of what came after `before`, in ms, as the pipeline itself counts it; by default of all. */
export function meanMs(now: Totals = nothing, before: Totals = nothing): number {
  return (now.totalMs - before.totalMs) / (now.totalCount - before.totalCount);
}

/**
 * Of the next packets, so many of them at the least: nothing older is in it.
 *
 * @param figures of the whole way or of a stage of it, in either direction.
 */
export async function nextMeanMs(
  daemon: TestDaemon,
  packets: number,
  figures: (status: DaemonStatus) => Totals | undefined,
): Promise<number> {
  const before = figures(await daemon.status()) ?? nothing;
  const wanted = before.totalCount + packets;
  const now = await daemon.waitForStatus(
    'more packets',
    (status) => (figures(status) ?? nothing).totalCount >= wanted,
  );
  return meanMs(figures(now), before);
}

/** Of the whole way of the output's next packets. */
export function outputMeanMs(daemon: TestDaemon, packets: number): Promise<number> {
  return nextMeanMs(daemon, packets, ({ output }) => output.stream?.latency);
}
