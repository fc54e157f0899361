export type {
  Application,
  Bandwidth,
  CodecBackend,
  CodecCapabilities,
  EncoderSettings,
  FrameMs,
  OpusDecoder,
  OpusEncoder,
} from './CodecBackend.js';
export { CodecError, isCodecError } from './CodecError.js';
export { type CodecChoice, chooseBackend } from './chooseBackend.js';
export { framesAt, isDtx, packetBandwidth, packetChannels, packetFrames } from './opusPacket.js';
export { createWasmBackend } from './WasmBackend.js';
