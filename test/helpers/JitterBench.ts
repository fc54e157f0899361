import {
  FramePool,
  JitterBuffer,
  type JitterBufferLimits,
  PacketSlot,
  type PlayoutStep,
  packetSlotBytes,
} from '@kvm-audio/audio';
import { type AudioPacket, mediaRate } from '@kvm-audio/protocol';
import { receivedPacket } from './receivedPacket.js';

const ms = mediaRate / 1000;
/** 20 ms. */
export const frame = 20 * ms;
export const limits: JitterBufferLimits = {
  capacityMs: 200,
  sizedMsMax: 400,
  packetsMax: 12,
  concealMsMax: 100,
  comfortMsMax: 300,
  lateMsMax: 100,
};

export type Said = Pick<PlayoutStep, 'action' | 'frames' | 'trimFrames' | 'restart'> & {
  seq: number | undefined;
};

/** Packet number `seq` as it comes, of a stream of 20 ms frames, unless told otherwise. */
export function received(seq: number, changed: Partial<AudioPacket> = {}, frames = frame) {
  return receivedPacket({
    seq,
    mediaTime: seq * frames,
    captureTimeUs: undefined,
    flags: 0,
    payload: Uint8Array.of(seq & 0xff, 0xaa, 0xbb),
    ...changed,
  });
}

/** A jitter buffer whose packets are released as a player does it, and whose steps are kept. */
export class JitterBench {
  readonly pool: FramePool<PacketSlot>;
  readonly buffer: JitterBuffer;

  constructor(changed: Partial<JitterBufferLimits> = {}) {
    const all = { ...limits, ...changed };
    this.pool = new FramePool(
      'packets',
      { jitterBuffer: all.packetsMax, decoding: 1 },
      packetSlotBytes,
      (bytes) => new PacketSlot(bytes),
    );
    this.buffer = new JitterBuffer(this.pool, all);
  }

  /** Packet number `seq` of a stream of 20 ms frames, unless told otherwise. */
  insert(seq: number, changed: Partial<AudioPacket> = {}, frames = frame, nowMs = 0) {
    return this.buffer.insert(received(seq, changed, frames), frames, nowMs);
  }

  step(urgent = false): Said {
    const { action, packet, frames, trimFrames, restart } = this.buffer.next(urgent);
    const seq = packet?.seq;
    if (action === 'decode') packet?.release();
    return { action, seq, frames, trimFrames, restart };
  }

  steps(urgent = false): Said[] {
    const all: Said[] = [];
    const ends = ['wait', 'rest'];
    for (let said = this.step(urgent); !ends.includes(said.action); said = this.step(urgent)) {
      all.push(said);
    }
    return all;
  }

  /** What the card is given when it needs audio, until no packet waits. */
  emptied(): Said[] {
    const all: Said[] = [];
    while (this.buffer.queuedFrames > 0) all.push(this.step(true));
    return all;
  }

  /** Starts a stream: packet 0 was given out. */
  started(): this {
    this.insert(0);
    expect(this.steps()).toMatchObject([{ action: 'decode', seq: 0, restart: true }]);
    return this;
  }

  assertAllHome(): void {
    this.buffer.reset();
    this.pool.assertAllHome();
    expect(this.buffer.queuedFrames).toBe(0);
  }
}

/** A packet is given out. */
export const decode = (seq: number, trimFrames = 0, restart = false): Said => ({
  action: 'decode',
  seq,
  frames: frame,
  trimFrames,
  restart,
});

export const conceal = (frames: number): Said => ({
  action: 'conceal',
  seq: undefined,
  frames,
  trimFrames: 0,
  restart: false,
});

/** Out of the packet behind it. */
export const fec = (seq: number, frames = frame, trimFrames = 0): Said => ({
  action: 'fec',
  seq,
  frames,
  trimFrames,
  restart: false,
});
