import {
  type AudioPacket,
  limits,
  type OutgoingPacket,
  packetHeaderBytesMax,
  writePacketHeader,
} from '@kvm-audio/protocol';

/** A packet of the caller as a whole message, in memory of its own. */
export class OutgoingCopy implements OutgoingPacket {
  readonly message: Uint8Array;
  readonly durationMs: number;

  constructor(packet: AudioPacket, durationMs: number) {
    const payloadBytes = packet.payload.length;
    if (payloadBytes < 1 || payloadBytes > limits.packetPayloadBytesMax) {
      throw new RangeError(
        `payload of ${payloadBytes} bytes, 1 to ${limits.packetPayloadBytesMax}`,
      );
    }
    const bytes = Buffer.allocUnsafe(packetHeaderBytesMax + payloadBytes);
    bytes.set(packet.payload, packetHeaderBytesMax);
    const start = writePacketHeader(
      bytes,
      payloadBytes,
      packet.seq,
      packet.mediaTime,
      packet.captureTimeUs,
      packet.flags,
    );
    this.message = bytes.subarray(start);
    this.durationMs = durationMs;
  }

  retain(): void {}
  release(): void {}
}
