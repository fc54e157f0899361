import { limits, mediaRate, ReceivedPacket } from '@kvm-audio/protocol';
import { packetMsOf } from './opusPacketMs.js';

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

/** A packet with its place in the stream. Its payload is `bytes[payloadStart, payloadEnd)`. */
export type PlacedPacket = {
  seq: number;
  mediaTime: number;
  captureTimeUs: number | undefined;
  flags: number;
  durationMs: number;
  bytes: Uint8Array;
  payloadStart: number;
  payloadEnd: number;
};

function checkCount(name: string, value: number, max: number): number {
  if (Number.isInteger(value) && value >= 0 && value <= max) return value;
  throw new RangeError(`${name} must be an integer from 0 to ${max}, not ${value}`);
}

/** Where the stream of a talker is: it goes on through every packet, sent or not. */
export class SentStream {
  /** One object for all packets. */
  readonly #placed: PlacedPacket = {
    seq: 0,
    mediaTime: 0,
    captureTimeUs: undefined,
    flags: 0,
    durationMs: 0,
    bytes: new Uint8Array(0),
    payloadStart: 0,
    payloadEnd: 0,
  };
  #nextSeq = 0;
  #nextMediaTime = 0;

  /**
   * Fills in what the caller left out.
   *
   * @param durationMs where the caller knows it better than the packet's first bytes.
   * @param defaultMs for a packet that does not say.
   * @returns it with its place; good until the next.
   * @throws RangeError naming the field.
   */
  next(packet: TalkerPacket, durationMs: number | undefined, defaultMs: number): PlacedPacket {
    const placed = this.#placed;
    placePayload(packet, placed);
    const { bytes, payloadStart, payloadEnd } = placed;
    const second = payloadEnd - payloadStart > 1 ? bytes[payloadStart + 1] : 0;
    const ms = durationMs ?? packetMsOf(bytes[payloadStart] ?? 0, second ?? 0) ?? defaultMs;
    if (!(ms >= packetMs.min && ms <= packetMs.max)) {
      throw new RangeError(`durationMs must be ${packetMs.min} to ${packetMs.max}, not ${ms}`);
    }
    const { captureTimeUs } = packet;
    placed.durationMs = ms;
    placed.seq = checkCount('seq', packet.seq ?? this.#nextSeq, 0xffff_ffff);
    placed.mediaTime = checkCount(
      'mediaTime',
      packet.mediaTime ?? this.#nextMediaTime,
      Number.MAX_SAFE_INTEGER,
    );
    placed.captureTimeUs =
      captureTimeUs === undefined
        ? undefined
        : checkCount('captureTimeUs', captureTimeUs, Number.MAX_SAFE_INTEGER);
    placed.flags = checkCount('flags', packet.flags ?? 0, 0x7f);
    this.#nextSeq = (placed.seq + 1) >>> 0;
    this.#nextMediaTime = placed.mediaTime + Math.round(ms * samplesPerMs);
    return placed;
  }
}

/** A listener's packet is taken where it lies: a view of each would cost more than all the rest. */
function placePayload(packet: TalkerPacket, placed: PlacedPacket): void {
  if (packet instanceof ReceivedPacket) {
    placed.bytes = packet.bytes;
    placed.payloadStart = packet.payloadStart;
    placed.payloadEnd = packet.payloadEnd;
    return;
  }
  // Who calls it from JavaScript may have given nothing.
  const payload = (packet as TalkerPacket | undefined)?.payload;
  const bytesMax = limits.packetPayloadBytesMax;
  if (!(payload instanceof Uint8Array)) throw new RangeError('payload must be a Uint8Array');
  if (payload.length < 1 || payload.length > bytesMax) {
    throw new RangeError(`payload of ${payload.length} bytes, 1 to ${bytesMax}`);
  }
  placed.bytes = payload;
  placed.payloadStart = 0;
  placed.payloadEnd = payload.length;
}
