import {
  controlChecks,
  encodeMessage,
  limits,
  type Message,
  packetHeaderBytesMax,
  type Role,
  writePacketHeader,
} from '@kvm-audio/protocol';
import type { Random } from '../helpers/random.js';

export function bytesOf(message: Message): Buffer {
  const { buffer, length } = encodeMessage(message);
  return buffer.bytes.subarray(0, length);
}

export function hello(role: Role, takeover: boolean): Buffer {
  const params = { protocol: 1, role, client: 'fuzz', takeover };
  return bytesOf({ kind: 'request', id: 1, method: 'hello', params });
}

export function ping(id: number): Buffer {
  return bytesOf({ kind: 'request', id, method: 'fuzz.ping', params: null });
}

const names = ['direction', 'level', 'toString', '__proto__', 'constructor', 'code', 'x', ''];
const words = ['input', 'output', 'low', 'ultra', 'best', 'hello', 'error', '', '\u0000', '♪'];
const methods = [...Object.keys(controlChecks), 'hello', 'client.stats', 'error', 'no.such', ''];

const pick = <T>(random: Random, list: readonly T[]): T =>
  list[random.integer(0, list.length - 1)] as T;

function anyValue(random: Random, depth: number): unknown {
  const kind = random.integer(0, depth > 4 ? 5 : 7);
  if (kind === 0) return null;
  if (kind === 1) return random.chance(0.5);
  if (kind === 2) return random.integer(-200, 70_000);
  if (kind === 3) return (random.next() - 0.5) * 2 ** random.integer(0, 60);
  if (kind === 4) return pick(random, words);
  if (kind === 5) return random.bytes(random.integer(0, 12));
  const items = Array.from({ length: random.integer(0, 4) }, () => anyValue(random, depth + 1));
  if (kind === 6) return items;
  return Object.fromEntries(items.map((item) => [pick(random, names), item]));
}

/** A message that breaks no rule of the wire, whatever its parameters are. */
export function goodMessage(random: Random, audio: boolean): Buffer {
  if (audio && random.chance(0.6)) return audioMessage(random);
  const method = pick(random, methods);
  const params = anyValue(random, 2);
  const kind = random.integer(0, 9);
  const id = random.integer(2, 0xffff_fffe);
  if (kind < 5) return bytesOf({ kind: 'request', id, method, params });
  if (kind < 8) return bytesOf({ kind: 'notification', method, params });
  // Errors of responses are of any shape.
  const message = { kind: 'response', id, error: params, result: null };
  return bytesOf(message as Extract<Message, { kind: 'response' }>);
}

function audioMessage(random: Random): Buffer {
  const length = random.chance(0.02)
    ? random.integer(1, limits.packetPayloadBytesMax)
    : random.integer(1, 60);
  const slot = Buffer.alloc(packetHeaderBytesMax + length);
  random.bytes(length).copy(slot, packetHeaderBytesMax);
  const clock = random.chance(0.5) ? random.integer(0, 2 ** 52) : undefined;
  const seq = random.integer(0, 0xffff_ffff);
  const time = random.chance(0.5) ? random.integer(0, 2 ** 20) : random.integer(0, 2 ** 53 - 1);
  return slot.subarray(writePacketHeader(slot, length, seq, time, clock, random.integer(0, 0x7f)));
}

/** A message that most likely breaks one: some bytes changed, cut, doubled or without a plan. */
export function badMessage(random: Random, audio: boolean): Buffer {
  const good = Buffer.from(goodMessage(random, audio));
  const kind = random.integer(0, 5);
  if (kind === 0) return random.bytes(random.integer(1, 60));
  if (kind === 1) return framed(random.bytes(random.integer(0, 60)));
  if (kind === 2) return framed(good.subarray(4, random.integer(4, good.length)));
  if (kind === 3) return framed(Buffer.concat([good.subarray(4), good.subarray(4)]));
  const changes = random.integer(1, 3);
  // The length stays mostly, so that it is the body that is looked at.
  const from = random.chance(0.9) ? 4 : 0;
  for (let i = 0; i < changes; i++) {
    good[random.integer(from, good.length - 1)] = random.integer(0, 255);
  }
  return good;
}

function framed(body: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length);
  return Buffer.concat([length, body]);
}
