import { type AudioPacket, limits, mediaRate } from '@kvm-audio/protocol';
import { opusPacketMs } from './opusPacketMs.js';

const samplesPerMs = mediaRate / 1_000;
const packetMs = { min: 2.5, max: 120 };

/** One Opus packet to be played. What is left out goes on from the packet before. */
export type TalkerPacket = {
  /** One Opus packet of 1 to 4,096 bytes. Copied before `send` returns. */
  payload: Uint8Array;
  /** 0 to 2^32 - 1, +1 per packet, wraps. By default the last one's + 1. */
  seq?: number | undefined;
  /**
   * 48 kHz samples since the stream began, 0 to 2^53 - 1. By default the last one's plus the last
   * packet's length.
   */
  mediaTime?: number | undefined;
  /**
   * CLOCK_MONOTONIC of this machine at the first sample, in whole microseconds; left out where
   * nobody knows it.
   */
  captureTimeUs?: number | undefined;
  /** Bits of `packetFlags`, 0 by default. */
  flags?: number | undefined;
};

function checkCount(name: string, value: number, max: number): number {
  if (Number.isInteger(value) && value >= 0 && value <= max) return value;
  throw new RangeError(`${name} must be an integer from 0 to ${max}, not ${value}`);
}

/** Where the stream of a talker is: it goes on through every packet, sent or not. */
export class SentStream {
  #nextSeq = 0;
  #nextMediaTime = 0;

  /**
   * Fills in what the caller left out.
   *
   * @param durationMs where the caller knows it better than the packet's first bytes.
   * @param defaultMs for a packet that does not say.
   * @throws RangeError naming the field.
   */
  next(
    packet: TalkerPacket,
    durationMs: number | undefined,
    defaultMs: number,
  ): { next: AudioPacket; ms: number } {
    const { payload, captureTimeUs } = packet;
    const bytesMax = limits.packetPayloadBytesMax;
    if (!(payload instanceof Uint8Array)) throw new RangeError('payload must be a Uint8Array');
    if (payload.length < 1 || payload.length > bytesMax) {
      throw new RangeError(`payload of ${payload.length} bytes, 1 to ${bytesMax}`);
    }
    const ms = durationMs ?? opusPacketMs(payload) ?? defaultMs;
    if (!(ms >= packetMs.min && ms <= packetMs.max)) {
      throw new RangeError(`durationMs must be ${packetMs.min} to ${packetMs.max}, not ${ms}`);
    }
    const seq = checkCount('seq', packet.seq ?? this.#nextSeq, 0xffff_ffff);
    const mediaTime = checkCount(
      'mediaTime',
      packet.mediaTime ?? this.#nextMediaTime,
      Number.MAX_SAFE_INTEGER,
    );
    if (captureTimeUs !== undefined) {
      checkCount('captureTimeUs', captureTimeUs, Number.MAX_SAFE_INTEGER);
    }
    const flags = checkCount('flags', packet.flags ?? 0, 0x7f);
    this.#nextSeq = (seq + 1) >>> 0;
    this.#nextMediaTime = mediaTime + Math.round(ms * samplesPerMs);
    return { next: { seq, mediaTime, captureTimeUs, flags, payload }, ms };
  }
}
