/** An audio packet of docs/protocol.md. */
export type WirePacket = {
  seq: number;
  mediaTime: number;
  captureTimeUs: number | undefined;
  flags: number;
  payload: Uint8Array;
};

/** How wide an unsigned integer is written; `least` = as MessagePack libraries do. */
export type Width = 'least' | 1 | 2 | 4 | 8;

export const packetHeaderBytes = 33;

function leastWidth(value: number): Width | 0 {
  if (value < 0x80) return 0;
  if (value < 0x100) return 1;
  if (value < 0x1_0000) return 2;
  return value < 0x1_0000_0000 ? 4 : 8;
}

export function unsigned(value: number, width: Width = 'least'): Buffer {
  const bytes = width === 'least' ? leastWidth(value) : width;
  if (bytes === 0) return Buffer.of(value);
  const big = Buffer.alloc(8);
  big.writeBigUInt64BE(BigInt(value));
  const tag = { 1: 0xcc, 2: 0xcd, 4: 0xce, 8: 0xcf }[bytes as 1 | 2 | 4 | 8];
  return Buffer.concat([Buffer.of(tag), big.subarray(8 - Number(bytes))]);
}

export function binary(payload: Uint8Array, width: 1 | 2 | 4): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(payload.length);
  const tag = { 1: 0xc4, 2: 0xc5, 4: 0xc6 }[width];
  return Buffer.concat([Buffer.of(tag), length.subarray(4 - width), payload]);
}

/** A message with its length in front. */
export function framed(...parts: Uint8Array[]): Buffer {
  const body = Buffer.concat(parts);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length);
  return Buffer.concat([length, body]);
}

/** As kvm-audio itself writes it: integers of fixed width, whatever their value. */
export function message({ seq, mediaTime, captureTimeUs, flags, payload }: WirePacket): Buffer {
  const time = captureTimeUs === undefined ? Buffer.of(0xc0) : unsigned(captureTimeUs, 8);
  return framed(
    Buffer.of(0x96, 3),
    ...[unsigned(seq, 4), unsigned(mediaTime, 8), time, unsigned(flags)],
    binary(payload, 2),
  );
}

/** Whole messages at the start of `bytes`, each with its length field. */
export function messagesOf(bytes: Buffer): { messages: Buffer[]; rest: Buffer } {
  const messages: Buffer[] = [];
  let at = 0;
  while (bytes.length - at >= 4 && bytes.length - at >= 4 + bytes.readUInt32BE(at)) {
    const end = at + 4 + bytes.readUInt32BE(at);
    messages.push(bytes.subarray(at, end));
    at = end;
  }
  return { messages, rest: bytes.subarray(at) };
}

/** Of a message as kvm-audio itself writes it, with a capture time. */
export function packetOf(bytes: Buffer): WirePacket {
  return {
    seq: bytes.readUInt32BE(7),
    mediaTime: Number(bytes.readBigUInt64BE(12)),
    captureTimeUs: Number(bytes.readBigUInt64BE(21)),
    flags: bytes[29]!,
    payload: bytes.subarray(packetHeaderBytes),
  };
}
