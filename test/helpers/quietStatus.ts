import type { DaemonStatus, PipelineStatus } from '@kvm-audio/protocol';
import { quietReport } from './quietReport.js';

/** Of a daemon's buffers that have not been looked at yet. */
export const quietBuffers: DaemonStatus['buffers'] = {
  input_buffer_size: 6,
  output_buffer_size: 6,
  average_latency_ms: null,
  system_cpu_percent: null,
  system_memory_percent: null,
  adaptation_count: 0,
  last_adaptation: null,
};

/** Of the output's process, which runs, and of which there is nothing else to tell. */
export function quietPipeline(changed: Partial<PipelineStatus> = {}): PipelineStatus {
  return {
    direction: 'output',
    pid: 101,
    state: 'running',
    restarts: 0,
    downMs: 0,
    lastExit: null,
    lastExitAtMs: null,
    retryAfterMs: null,
    level: 'medium',
    stream: quietReport(),
    reportAgeMs: 400,
    usage: { cpuPercent: 4.25, memoryPercent: 18.75, residentBytes: 48 * 2 ** 20 },
    optimiser: {
      steps: { backlog: 0, cpu: 0, margin: 0, buffer: 0 },
      undone: 0,
      restored: 0,
      last: null,
    },
    ...changed,
  };
}

/** Of a daemon for an hour, two minutes and four seconds, but for a millisecond. */
export function quietStatus(changed: Partial<DaemonStatus> = {}): DaemonStatus {
  return {
    pid: 100,
    version: '0.1.0',
    uptimeMs: 3_723_999,
    usage: { cpuPercent: null, memoryPercent: 20, residentBytes: 53_687_091 },
    buffers: quietBuffers,
    output: quietPipeline(),
    input: quietPipeline({ direction: 'input' }),
    ...changed,
  };
}
