export type {
  Application,
  AudioPacket,
  BufferStats,
  CardReport,
  ClientStats,
  ControlMethods,
  DaemonStatus,
  Direction,
  DirectionLatency,
  DropCounts,
  DropPlace,
  ErrorCode,
  FrameMs,
  LatencyCause,
  LatencyFigures,
  LatencyReport,
  LatencyStage,
  LatencySummary,
  MetricsText,
  OptimiserReport,
  ParamsOf,
  PipelineReport,
  PipelineStatus,
  PipelineTuning,
  PoolStats,
  ProcessState,
  ProcessUsage,
  QualityEntry,
  QualityLevel,
  QueueCapacity,
  ResultOf,
  SocketName,
  SourceFeedback,
  StageLatencies,
  StreamFormat,
  StreamState,
} from '@kvm-audio/protocol';
export {
  directions,
  latencyCauses,
  latencyStages,
  ProtocolError,
  packetFlags,
  qualityLevels,
  runtimeFolder,
  socketPath,
} from '@kvm-audio/protocol';
export * from './ControlClient.js';
export type { WaitOptions } from './Link.js';
export * from './Listener.js';
export { opusPacketMs } from './opusPacketMs.js';
export { copyPacket } from './PacketQueue.js';
export type { Gap } from './ResumedStream.js';
export type { TalkerPacket } from './SentStream.js';
export * from './Talker.js';
