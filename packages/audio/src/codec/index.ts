export type {
  Bandwidth,
  CodecBackend,
  CodecCapabilities,
  EncoderSettings,
  OpusDecoder,
  OpusEncoder,
} from './CodecBackend.js';
export { CodecError } from './CodecError.js';
export { type CodecChoice, chooseBackend } from './chooseBackend.js';
export { NativeBackend } from './NativeBackend.js';
export { framesAt, isDtx, packetBandwidth, packetChannels, packetFrames } from './opusPacket.js';
export { createWasmBackend } from './WasmBackend.js';
