export * from './BufferPool.js';
export * from './codec/index.js';
export * from './FramePool.js';
export * from './JitterBuffer.js';
export * from './LatencyHistogram.js';
export * from './PacketSlot.js';
export * from './quality/index.js';
export * from './streamFormat.js';
