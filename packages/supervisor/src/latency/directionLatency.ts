import type { DirectionLatency, PipelineStatus } from '@kvm-audio/protocol';

/** @returns nil where the pipeline has told nothing. */
export function directionLatency(status: PipelineStatus): DirectionLatency | null {
  const { direction, stream, reportAgeMs, optimiser } = status;
  if (!stream) return null;
  const { latency: endToEnd, stages, tuning } = stream;
  return { direction, ageMs: reportAgeMs ?? 0, endToEnd, stages, tuning, optimiser };
}
