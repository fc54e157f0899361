import {
  limits,
  type OutgoingPacket,
  packetHeaderBytesMax,
  writePacketHeader,
} from '@kvm-audio/protocol';
import type { PlacedPacket } from './SentStream.js';

/** Where a talker puts a message together: what the socket takes at once needs no memory of its own. */
export function messageRoom(): Buffer {
  return Buffer.allocUnsafeSlow(packetHeaderBytesMax + limits.packetPayloadBytesMax);
}

/** A short payload is copied byte by byte: that is cheaper than a view of it. */
const viewedBytesMin = 1_024;

/**
 * One packet as a whole message. It lies in the talker's room, which is written anew for each
 * packet, until somebody keeps it.
 */
export class OutgoingMessage implements OutgoingPacket {
  bytes: Buffer;
  start = 0;
  end = 0;
  durationMs = 0;
  #kept = false;

  constructor(room: Buffer) {
    this.bytes = room;
  }

  /** Somebody keeps it, and its bytes have moved to memory of its own. */
  get kept(): boolean {
    return this.#kept;
  }

  /** @param flags instead of the packet's. */
  write(packet: PlacedPacket, flags: number): void {
    const { bytes, payloadStart, payloadEnd } = packet;
    const room = this.bytes;
    const count = payloadEnd - payloadStart;
    if (count < viewedBytesMin) {
      for (let i = 0; i < count; i++) {
        room[packetHeaderBytesMax + i] = bytes[payloadStart + i] as number;
      }
    } else room.set(bytes.subarray(payloadStart, payloadEnd), packetHeaderBytesMax);
    this.start = writePacketHeader(
      room,
      count,
      packet.seq,
      packet.mediaTime,
      packet.captureTimeUs,
      flags,
    );
    this.end = packetHeaderBytesMax + count;
    this.durationMs = packet.durationMs;
  }

  retain(): void {
    if (this.#kept) return;
    this.#kept = true;
    this.bytes = Buffer.from(this.bytes.subarray(0, this.end));
  }

  release(): void {}
}
