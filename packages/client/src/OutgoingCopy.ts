import {
  type AudioPacket,
  limits,
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

  constructor(packet: AudioPacket, durationMs: number) {
    const { payload } = packet;
    const payloadBytes = payload.length;
    if (payloadBytes < 1 || payloadBytes > limits.packetPayloadBytesMax) {
      throw new RangeError(
        `payload of ${payloadBytes} bytes, 1 to ${limits.packetPayloadBytesMax}`,
      );
    }
    this.end = packetHeaderBytesMax + payloadBytes;
    this.bytes = Buffer.allocUnsafe(this.end);
    this.bytes.set(payload, packetHeaderBytesMax);
    this.start = writePacketHeader(
      this.bytes,
      payloadBytes,
      packet.seq,
      packet.mediaTime,
      packet.captureTimeUs,
      packet.flags,
    );
    this.durationMs = durationMs;
  }

  retain(): void {}
  release(): void {}
}
