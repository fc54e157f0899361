import { ProtocolError } from './errors.js';
import { limits } from './limits.js';

/**
 * Walks one MessagePack value in `bytes[start, end)` without building it, before a decoder sees
 * it. Throws MALFORMED_MESSAGE unless it is exactly one plain value: no extension types, string
 * keys only, containers that can fit in what is left, nesting at most `limits.nestingMax`.
 * Source: https://github.com/msgpack/msgpack/blob/master/spec.md
 */
export function scanMessage(bytes: Uint8Array, start: number, end: number): void {
  const next = scanValue(bytes, start, end, 0);
  if (next !== end) throw malformed(`${end - next} bytes after the message`);
}

function malformed(why: string): ProtocolError {
  return new ProtocolError('MALFORMED_MESSAGE', `not a plain MessagePack message: ${why}`);
}

function big(bytes: Uint8Array, at: number, width: number, end: number): number {
  if (at + width > end) throw malformed('it ends inside a length');
  let value = 0;
  for (let i = 0; i < width; i++) value = value * 256 + (bytes[at + i] ?? 0);
  return value;
}

function skip(at: number, count: number, end: number): number {
  if (at + count > end) throw malformed('it ends inside a value');
  return at + count;
}

function scanValue(bytes: Uint8Array, at: number, end: number, depth: number): number {
  if (at >= end) throw malformed('it ends where a value should be');
  const tag = bytes[at] ?? 0;
  const body = at + 1;
  if (tag <= 0x7f || tag >= 0xe0) return body;
  if (tag <= 0x8f) return scanContainer(bytes, body, end, tag & 0x0f, true, depth);
  if (tag <= 0x9f) return scanContainer(bytes, body, end, tag & 0x0f, false, depth);
  if (tag <= 0xbf) return skip(body, tag & 0x1f, end);
  if (tag >= 0xdc) {
    const width = tag & 1 ? 4 : 2;
    const count = big(bytes, body, width, end);
    return scanContainer(bytes, body + width, end, count, tag >= 0xde, depth);
  }
  return scanScalar(bytes, tag, body, end);
}

/** Tags 0xc0 to 0xdb: nil, booleans, bin, floats, integers, strings; extensions are refused. */
function scanScalar(bytes: Uint8Array, tag: number, body: number, end: number): number {
  switch (tag) {
    case 0xc0:
    case 0xc2:
    case 0xc3:
      return body;
    case 0xc4:
    case 0xd9:
      return skip(body + 1, big(bytes, body, 1, end), end);
    case 0xc5:
    case 0xda:
      return skip(body + 2, big(bytes, body, 2, end), end);
    case 0xc6:
    case 0xdb:
      return skip(body + 4, big(bytes, body, 4, end), end);
    case 0xca:
      return skip(body, 4, end);
    case 0xcb:
      return skip(body, 8, end);
    default:
      if (tag >= 0xcc && tag <= 0xd3) return skip(body, 1 << ((tag - 0xcc) & 3), end);
      throw malformed(`tag 0x${tag.toString(16)} is an extension or reserved`);
  }
}

function isString(tag: number): boolean {
  return (tag >= 0xa0 && tag <= 0xbf) || (tag >= 0xd9 && tag <= 0xdb);
}

function scanContainer(
  bytes: Uint8Array,
  start: number,
  end: number,
  count: number,
  map: boolean,
  depth: number,
): number {
  if (depth + 1 > limits.nestingMax) throw malformed(`nested deeper than ${limits.nestingMax}`);
  if (count * (map ? 2 : 1) > end - start) throw malformed('a container longer than the message');
  let at = start;
  for (let i = 0; i < count; i++) {
    if (map) {
      if (!isString(bytes[at] ?? 0)) throw malformed('a map key that is no string');
      at = scanValue(bytes, at, end, depth + 1);
    }
    at = scanValue(bytes, at, end, depth + 1);
  }
  return at;
}
