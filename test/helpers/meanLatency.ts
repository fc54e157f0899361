import type { PipelineStatus } from '@kvm-audio/client';
import type { TestDaemon } from './TestDaemon.js';

/** Of what came between two looks, in ms, as the pipeline itself counts it. */
function meanBetween(before: PipelineStatus, now: PipelineStatus): number {
  const [a, b] = [before.stream!.latency, now.stream!.latency];
  return (b.totalMs - a.totalMs) / (b.totalCount - a.totalCount);
}

/** Of the output's next packets, so many of them at the least: nothing older is in it. */
export async function outputMeanMs(daemon: TestDaemon, packets: number): Promise<number> {
  const { output: before } = await daemon.status();
  const wanted = before.stream!.latency.totalCount + packets;
  const { output } = await daemon.waitForStatus(
    'more packets',
    (now) => now.output.stream!.latency.totalCount >= wanted,
  );
  return meanBetween(before, output);
}
