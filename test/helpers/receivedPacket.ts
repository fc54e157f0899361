import { type AudioPacket, ReceivedPacket } from '@kvm-audio/protocol';

/** The packet as it lies in a receive buffer. */
export function receivedPacket({ payload, ...fields }: AudioPacket): ReceivedPacket {
  const bytes = Buffer.concat([Buffer.alloc(7, 0xee), payload, Buffer.alloc(3, 0xee)]);
  return Object.assign(new ReceivedPacket(), fields, {
    bytes,
    payloadStart: 7,
    payloadEnd: 7 + payload.length,
  });
}
