import {
  type AudioPacket,
  type OutgoingPacket,
  packetHeaderBytesMax,
  writePacketHeader,
} from '@kvm-audio/protocol';

/** A packet of the caller as a whole message, in memory of its own. */
export class OutgoingCopy implements OutgoingPacket {
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
  readonly durationMs: number;

  /** @param flags instead of the packet's. */
  constructor(packet: AudioPacket, flags: number, durationMs: number) {
    const { payload } = packet;
    this.end = packetHeaderBytesMax + payload.length;
    this.bytes = Buffer.allocUnsafe(this.end);
    this.bytes.set(payload, packetHeaderBytesMax);
    this.start = writePacketHeader(
      this.bytes,
      payload.length,
      packet.seq,
      packet.mediaTime,
      packet.captureTimeUs,
      flags,
    );
    this.durationMs = durationMs;
  }

  retain(): void {}
  release(): void {}
}
