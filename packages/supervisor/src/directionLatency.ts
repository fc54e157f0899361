import type { DirectionLatency, PipelineStatus } from '@kvm-audio/protocol';

/** @returns nil where the pipeline has told nothing. */
export function directionLatency(status: PipelineStatus): DirectionLatency | null {
  const { direction, stream, reportAgeMs } = status;
  if (!stream) return null;
  const { latency: endToEnd, stages } = stream;
  return { direction, ageMs: reportAgeMs ?? 0, endToEnd, stages };
}
