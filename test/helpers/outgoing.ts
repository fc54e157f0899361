import { type OutgoingPacket, packetHeaderBytesMax, writePacketHeader } from '@kvm-audio/protocol';

/** A whole audio message in memory of its own. */
export function outgoing(
  seq: number,
  payload: Uint8Array,
  mediaTime = 0,
  captureTimeUs?: number,
): OutgoingPacket {
  const end = packetHeaderBytesMax + payload.length;
  const bytes = Buffer.alloc(end);
  bytes.set(payload, packetHeaderBytesMax);
  const start = writePacketHeader(bytes, payload.length, seq, mediaTime, captureTimeUs, 0);
  return { bytes, start, end, durationMs: 20, retain: () => undefined, release: () => undefined };
}
