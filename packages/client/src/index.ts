export type {
  AudioPacket,
  ControlMethods,
  DaemonStatus,
  Direction,
  ErrorCode,
  PipelineReport,
  PipelineStatus,
  QualityEntry,
  QualityLevel,
  StreamFormat,
} from '@kvm-audio/protocol';
export {
  directions,
  ProtocolError,
  packetFlags,
  qualityLevels,
  runtimeFolder,
  socketPath,
} from '@kvm-audio/protocol';
export * from './ControlClient.js';
export * from './Listener.js';
export * from './Talker.js';
