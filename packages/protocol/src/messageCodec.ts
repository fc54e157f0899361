import { strict as assert } from 'node:assert';
import { Packr } from 'msgpackr/pack';
import { Unpackr } from 'msgpackr/unpack';
import { ProtocolError, type WireError } from './errors.js';
import { text } from './fields.js';
import { lengthFieldBytes, limits } from './limits.js';
import { scanMessage } from './scanMessage.js';

/** The kinds of message that msgpackr carries; audio packets (kind 3) have their own codec. */
export type Message =
  | { kind: 'request'; id: number; method: string; params: unknown }
  | { kind: 'response'; id: number; error: WireError | null; result: unknown }
  | { kind: 'notification'; method: string; params: unknown };

const kinds = { request: 0, response: 1, notification: 2 } as const;
const requestIdMax = 0xffff_ffff;

// Plain MessagePack that every language reads: no msgpackr records, smallest map headers.
const options = { useRecords: false, variableMapSize: true, int64AsType: 'number' } as const;
const packr = new Packr(options);
const unpackr = new Unpackr(options);
const checkName = text();

/**
 * msgpackr writes integers above 32 bits as floats and undefined as an extension, and asks an object
 * for its `constructor` and `toJSON`, which may be names of ours. Integers become bigint here (which
 * it writes as int 64), undefined fields go, objects become maps, which it asks nothing.
 */
function toPlain(value: unknown): unknown {
  if (typeof value === 'number') {
    return Number.isSafeInteger(value) && Math.abs(value) > 0x7fff_ffff ? BigInt(value) : value;
  }
  if (value === undefined) return null;
  if (Array.isArray(value)) return value.map(toPlain);
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value;
  const plain = new Map<string, unknown>();
  for (const [key, field] of Object.entries(value)) {
    if (field !== undefined) plain.set(key, toPlain(field));
  }
  return plain;
}

function toArray(message: Message): unknown[] {
  switch (message.kind) {
    case 'request':
      return [kinds.request, message.id, message.method, message.params ?? null];
    case 'response':
      return [kinds.response, message.id, message.error, message.result ?? null];
    case 'notification':
      return [kinds.notification, message.method, message.params ?? null];
  }
}

/** Memory for one message on its way out; given back when the socket has let go of it. */
export interface MessageBuffer {
  readonly bytes: Buffer;
  release(): void;
}

/** Where the memory of outgoing control messages comes from. */
export interface MessageMemory {
  /** At least `bytes` bytes. Never refuses: what a pool cannot give comes from the heap. */
  acquire(bytes: number): MessageBuffer;
}

export const heapMemory: MessageMemory = {
  acquire: (bytes) => ({ bytes: Buffer.allocUnsafe(bytes), release: () => undefined }),
};

/** Writes a whole message with its length field. @returns its memory and its length in bytes. */
export function encodeMessage(
  message: Message,
  memory: MessageMemory = heapMemory,
): { buffer: MessageBuffer; length: number } {
  const body = packr.pack(toPlain(toArray(message)));
  assert(body.length <= limits.messageBytesMax, `message of ${body.length} bytes`);
  const length = lengthFieldBytes + body.length;
  const buffer = memory.acquire(length);
  buffer.bytes.writeUInt32BE(body.length, 0);
  body.copy(buffer.bytes, lengthFieldBytes);
  return { buffer, length };
}

function checkMethod(value: unknown): string {
  try {
    return checkName(value, 'method');
  } catch (error) {
    throw new ProtocolError('MALFORMED_MESSAGE', (error as Error).message);
  }
}

function checkId(value: unknown): number {
  if (!Number.isInteger(value) || (value as number) < 0 || (value as number) > requestIdMax) {
    throw new ProtocolError(
      'MALFORMED_MESSAGE',
      'a request id must be an integer from 0 to 2^32 - 1',
    );
  }
  return value as number;
}

/**
 * Reads the message body in `bytes[start, end)`.
 * @throws ProtocolError MALFORMED_MESSAGE
 */
export function decodeMessage(bytes: Buffer, start: number, end: number): Message {
  scanMessage(bytes, start, end);
  const body: unknown = unpackr.unpack(bytes.subarray(start, end));
  if (!Array.isArray(body)) throw new ProtocolError('MALFORMED_MESSAGE', 'a message is an array');
  if (body[0] === kinds.request && body.length === 4) {
    return {
      kind: 'request',
      id: checkId(body[1]),
      method: checkMethod(body[2]),
      params: body[3],
    };
  }
  if (body[0] === kinds.response && body.length === 4) {
    const error = body[2] === null ? null : ProtocolError.fromWire(body[2]).toWire();
    return { kind: 'response', id: checkId(body[1]), error, result: body[3] };
  }
  if (body[0] === kinds.notification && body.length === 3) {
    return { kind: 'notification', method: checkMethod(body[1]), params: body[2] };
  }
  const kind = typeof body[0] === 'number' ? String(body[0]) : 'no number';
  const text =
    `no message is an array of ${body.length} that begins with ${kind}: ` +
    'a request has 4 and begins with 0, a response 4 and 1, a notification 3 and 2, audio 6 and 3';
  throw new ProtocolError('MALFORMED_MESSAGE', text);
}
