import { noDrops, type PipelineReport } from '@kvm-audio/protocol';

const figures = {
  meanMs: 0,
  p50Ms: 0,
  p95Ms: 0,
  p99Ms: 0,
  maxMs: 0,
  jitterMs: 0,
  trendMsPerMinute: 0,
  totalCount: 0,
  totalMs: 0,
};

const pool = { slots: 82, inUse: 0, peak: 1, hits: 1, misses: 0 };

/** Of a pipeline that runs at medium, and of which there is nothing else to tell. */
export function quietReport(changed: Partial<PipelineReport> = {}): PipelineReport {
  return {
    state: 'running',
    reason: null,
    device: 'card',
    card: null,
    format: {
      codec: 'opus',
      level: 'medium',
      rate: 48_000,
      channels: 2,
      frameMs: 20,
      bitrate: 96_000,
      application: 'audio',
      maxPacketBytes: 4_096,
      lookaheadSamples: 312,
      clock: 'monotonic',
    },
    clients: 1,
    connectionsRefused: 0,
    connectionDrops: 0,
    framesReceived: 0,
    lastFrameAtMs: null,
    packetsSent: 0,
    bytes: 0,
    drops: noDrops(),
    queueMs: 0,
    capacity: { frames: null, ms: 200, targetWins: 0 },
    concealedMs: 0,
    trimmedMs: 0,
    insertedMs: 0,
    unheardMs: 0,
    driftPpm: null,
    correctionPpm: 0,
    correctedBy: null,
    targetMs: 10,
    marginMs: 10,
    callMs: 0,
    underruns: 0,
    xruns: 0,
    latency: { ...figures, count: 0, from: 'capture' },
    stages: {},
    tuning: {
      targetMs: 10,
      spareMs: 0,
      beyondMs: 0,
      bufferMs: 100,
      bufferMsMin: 10,
      periodMs: 5,
      complexity: null,
    },
    pools: { packets: { ...pool }, control: { ...pool } },
    clientFigures: [],
    ...changed,
  };
}
