import { readFileSync } from 'node:fs';
import {
  type AudioPacket,
  type ErrorCode,
  type Message,
  packetHeaderBytesMax,
  type SocketName,
  type WireError,
  writePacketHeader,
} from '@kvm-audio/protocol';
import { inRepository } from '../helpers/repository.js';

type Named = { name: string; hex: string };
type Refused = Named & { code: ErrorCode; data?: Record<string, unknown> };

/** See `about` in the file. */
export type Vectors = {
  messages: (Named & { canonical: boolean; body: unknown[] })[];
  packets: (Named & { canonical: boolean; body: unknown[] })[];
  malformed: Refused[];
  refusedHellos: (Refused & { sockets: SocketName[]; by: 'response' | 'notification' })[];
  refusedRequests: (Refused & { socket: SocketName })[];
  refusedAfterHello: (Refused & { socket: SocketName })[];
};

export const vectorsPath = inRepository('test/contract/vectors.json');
export const vectors = JSON.parse(readFileSync(vectorsPath, 'utf8')) as Vectors;

/** A message as the array that it is on the wire. */
export function toBody(message: Message): unknown[] {
  if (message.kind === 'request') return [0, message.id, message.method, message.params];
  if (message.kind === 'response') return [1, message.id, message.error, message.result];
  return [2, message.method, message.params];
}

export function toMessage(body: readonly unknown[]): Message {
  const [kind, first, second, third] = body;
  if (kind === 0) {
    return { kind: 'request', id: first as number, method: second as string, params: third };
  }
  if (kind === 1) {
    const error = second as WireError | null;
    return { kind: 'response', id: first as number, error, result: third };
  }
  return { kind: 'notification', method: first as string, params: second };
}

export function packetToBody(packet: AudioPacket): unknown[] {
  const { seq, mediaTime, captureTimeUs, flags, payload } = packet;
  return [3, seq, mediaTime, captureTimeUs ?? null, flags, Buffer.from(payload).toString('hex')];
}

/** The bytes of a packet as kvm-audio writes it. */
export function packetBytes(body: readonly unknown[]): Buffer {
  const [, seq, mediaTime, captureTimeUs, flags, hex] = body as [
    number,
    number,
    number,
    number | null,
    number,
    string,
  ];
  const payload = Buffer.from(hex, 'hex');
  const slot = Buffer.alloc(packetHeaderBytesMax + payload.length);
  payload.copy(slot, packetHeaderBytesMax);
  const time = captureTimeUs ?? undefined;
  return slot.subarray(writePacketHeader(slot, payload.length, seq, mediaTime, time, flags));
}

/** The paths of all fields of an answer; of the items of a list, those of its first. */
export function fieldsOf(value: unknown, path = ''): string[] {
  if (Array.isArray(value)) return fieldsOf(value[0], `${path}[]`);
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, field]) => {
    const inside = fieldsOf(field, `${path}.${name}`);
    return [`${path}.${name}`, ...inside];
  });
}
