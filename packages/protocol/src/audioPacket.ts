import { ProtocolError } from './errors.js';
import { invariant } from './invariant.js';
import { lengthFieldBytes, limits } from './limits.js';

/** Bits of an audio packet's flags. They are the stream's, not one client's. */
export const packetFlags = Object.freeze({
  /** Samples were lost before this packet; wall clock and mediaTime have parted. */
  discontinuity: 1,
  /** The encoder had nothing to send but comfort noise (RFC 6716 §2.1.9). */
  dtx: 2,
});

/** One audio packet. */
export type AudioPacket = {
  /** u32, +1 per packet, wraps. */
  seq: number;
  /** 48 kHz samples since the stream began; rises by the frame's length. */
  mediaTime: number;
  /** CLOCK_MONOTONIC microseconds of the first sample, undefined where the sender has no clock. */
  captureTimeUs: number | undefined;
  /** Bits of `packetFlags`. */
  flags: number;
  /** One Opus packet of 1 to 4,096 bytes. */
  payload: Uint8Array;
};

/**
 * A packet as it lies in a receive buffer, good only until the handler returns: who keeps it,
 * copies it. One object is used for all packets of a connection.
 */
export class ReceivedPacket implements AudioPacket {
  seq = 0;
  mediaTime = 0;
  captureTimeUs: number | undefined;
  flags = 0;
  /** The payload is `bytes[payloadStart, payloadEnd)`: for who wants no new object a packet. */
  bytes: Buffer = Buffer.alloc(0);
  payloadStart = 0;
  payloadEnd = 0;

  get payloadBytes(): number {
    return this.payloadEnd - this.payloadStart;
  }

  get payload(): Uint8Array {
    return this.bytes.subarray(this.payloadStart, this.payloadEnd);
  }
}

/**
 * Room that a packet slot keeps free in front of its payload: length field, array of 6, kind,
 * seq (uint 32), mediaTime and captureTimeUs (uint 64), flags, bin 16 header.
 */
export const packetHeaderBytesMax = lengthFieldBytes + 1 + 1 + 5 + 9 + 9 + 1 + 3;

const audioKind = 3;
const audioFields = 6;
const tag = {
  array6: 0x96,
  nil: 0xc0,
  bin8: 0xc4,
  bin16: 0xc5,
  bin32: 0xc6,
  uint8: 0xcc,
  uint32: 0xce,
  uint64: 0xcf,
  int8: 0xd0,
  int64: 0xd3,
  array16: 0xdc,
  array32: 0xdd,
} as const;

// Cheaper than Buffer's own writers, which check their arguments; ours are checked.
function writeUint32(slot: Buffer, at: number, value: number): void {
  slot[at] = value >>> 24;
  slot[at + 1] = value >>> 16;
  slot[at + 2] = value >>> 8;
  slot[at + 3] = value;
}

function writeUint64(slot: Buffer, at: number, value: number): number {
  slot[at] = tag.uint64;
  writeUint32(slot, at + 1, Math.floor(value / 2 ** 32));
  writeUint32(slot, at + 5, value % 2 ** 32);
  return at + 9;
}

/**
 * Writes the header of a packet whose payload already lies in `slot` from `packetHeaderBytesMax`
 * on, right in front of it, with integers of fixed width.
 *
 * @returns the offset at which the whole message begins; it ends at
 *   `packetHeaderBytesMax + payloadBytes`.
 */
export function writePacketHeader(
  slot: Buffer,
  payloadBytes: number,
  seq: number,
  mediaTime: number,
  captureTimeUs: number | undefined,
  flags: number,
): number {
  invariant(payloadBytes >= 1 && payloadBytes <= limits.packetPayloadBytesMax, 'payload length');
  invariant(Number.isSafeInteger(mediaTime) && mediaTime >= 0, 'mediaTime is an unsigned integer');
  const start = captureTimeUs === undefined ? 8 : 0;
  const end = packetHeaderBytesMax + payloadBytes;
  writeUint32(slot, start, end - start - lengthFieldBytes);
  let at = start + lengthFieldBytes;
  slot[at] = tag.array6;
  slot[at + 1] = audioKind;
  slot[at + 2] = tag.uint32;
  writeUint32(slot, at + 3, seq >>> 0);
  at = writeUint64(slot, at + 7, mediaTime);
  if (captureTimeUs === undefined) slot[at++] = tag.nil;
  else at = writeUint64(slot, at, captureTimeUs);
  slot[at] = flags & 0x7f;
  slot[at + 1] = tag.bin16;
  slot[at + 2] = payloadBytes >>> 8;
  slot[at + 3] = payloadBytes;
  invariant(at + 4 === packetHeaderBytesMax, 'the header ends where the payload begins');
  return start;
}

/** Cheaper than Buffer's own readers, which check their arguments; ours are checked. */
function bigEndian(bytes: Uint8Array, at: number, width: number): number {
  let value = 0;
  for (let i = at; i < at + width; i++) value = value * 256 + (bytes[i] ?? 0);
  return value;
}

/** Bytes of an integer behind its tag, 0 where the tag is of none that may be unsigned. */
function integerWidth(first: number): number {
  return first >= tag.uint8 && first <= tag.int64 ? 1 << ((first - tag.uint8) & 3) : 0;
}

/**
 * Where the fields of an audio packet begin: behind an array of 6 and the kind 3. As we write it
 * that is two bytes; other encoders may take more.
 * @returns -1 where the message body at `start` is no audio packet.
 */
function fieldsStart(bytes: Uint8Array, start: number, end: number): number {
  if (bytes[start] === tag.array6 && bytes[start + 1] === audioKind && start + 2 <= end) {
    return start + 2;
  }
  const first = bytes[start] ?? 0;
  const array = first === tag.array16 ? 2 : first === tag.array32 ? 4 : 0;
  if (array === 0 && first !== tag.array6) return -1;
  const kind = start + 1 + array;
  if (array > 0 && bigEndian(bytes, start + 1, array) !== audioFields) return -1;
  const width = integerWidth(bytes[kind] ?? 0);
  const isAudio =
    width === 0 ? bytes[kind] === audioKind : bigEndian(bytes, kind + 1, width) === audioKind;
  return isAudio && kind + 1 + width <= end ? kind + 1 + width : -1;
}

/** Whether the message body at `start` is an audio packet: an array of 6 whose kind is 3. */
export function isAudioPacket(bytes: Uint8Array, start: number, end: number): boolean {
  return fieldsStart(bytes, start, end) >= 0;
}

/**
 * Reads audio packets in place, with integers of any width, signed ones too. One instance per
 * connection, its `packet` is used again for each.
 */
export class AudioPacketReader {
  readonly packet = new ReceivedPacket();
  #bytes: Buffer = this.packet.bytes;
  #at = 0;
  #end = 0;

  /** @throws ProtocolError MALFORMED_MESSAGE, naming the field. */
  read(bytes: Buffer, start: number, end: number): ReceivedPacket {
    this.#bytes = bytes;
    this.#at = fieldsStart(bytes, start, end);
    invariant(this.#at >= 0, 'an audio packet');
    this.#end = end;
    const packet = this.packet;
    packet.bytes = bytes;
    packet.seq = this.#unsigned('seq', 0xffff_ffff);
    packet.mediaTime = this.#unsigned('mediaTime', Number.MAX_SAFE_INTEGER);
    if (this.#at < end && bytes[this.#at] === tag.nil) {
      this.#at += 1;
      packet.captureTimeUs = undefined;
    } else {
      packet.captureTimeUs = this.#unsigned('captureTimeUs', Number.MAX_SAFE_INTEGER);
    }
    packet.flags = this.#unsigned('flags', 0xff);
    packet.payloadStart = this.#payloadStart();
    packet.payloadEnd = end;
    return packet;
  }

  #unsigned(field: string, max: number): number {
    const first = this.#bytes[this.#at] ?? 0;
    if (this.#at < this.#end && first <= 0x7f) {
      this.#at += 1;
      return first;
    }
    const width = integerWidth(first);
    const body = this.#at + 1;
    const negative = first >= tag.int8 && (this.#bytes[body] ?? 0) >= 0x80;
    if (width === 0 || negative || body + width > this.#end) {
      throw badField(field, 'an unsigned integer');
    }
    this.#at = body + width;
    const value = bigEndian(this.#bytes, body, width);
    if (value > max) throw badField(field, `at most ${max}`);
    return value;
  }

  #payloadStart(): number {
    const kind = this.#bytes[this.#at] ?? 0;
    const width = kind >= tag.bin8 && kind <= tag.bin32 ? 1 << (kind - tag.bin8) : 0;
    const body = this.#at + 1 + width;
    if (this.#at >= this.#end || width === 0 || body > this.#end) {
      throw badField('payload', 'binary');
    }
    const length = bigEndian(this.#bytes, this.#at + 1, width);
    if (length < 1 || length > limits.packetPayloadBytesMax) {
      throw badField('payload', `1 to ${limits.packetPayloadBytesMax} bytes long`);
    }
    if (body + length !== this.#end) throw badField('payload', 'the rest of the message');
    return body;
  }
}

function badField(field: string, wanted: string): ProtocolError {
  return new ProtocolError('MALFORMED_MESSAGE', `audio packet: ${field} must be ${wanted}`, {
    field,
  });
}
