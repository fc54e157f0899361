import type { Bandwidth } from './CodecBackend.js';

// The first byte of a packet, the TOC: config (5 bits), stereo (1), frame count code (2). RFC 6716 §3.1.

/** RFC 6716 §3.4 [R5]: at most 120 ms of audio in one packet. */
const packetMsMax = 120;

const silkMs = [10, 20, 40, 60] as const;
const hybridMs = [10, 20] as const;
const celtMs = [2.5, 5, 10, 20] as const;

/** Duration and bandwidth of each of the 32 configurations (RFC 6716, table 2). */
const configurations: readonly { ms: number; bandwidth: Bandwidth }[] = [
  ...silkMs.map((ms) => ({ ms, bandwidth: 'narrow' as const })),
  ...silkMs.map((ms) => ({ ms, bandwidth: 'medium' as const })),
  ...silkMs.map((ms) => ({ ms, bandwidth: 'wide' as const })),
  ...hybridMs.map((ms) => ({ ms, bandwidth: 'superwide' as const })),
  ...hybridMs.map((ms) => ({ ms, bandwidth: 'full' as const })),
  ...celtMs.map((ms) => ({ ms, bandwidth: 'narrow' as const })),
  ...celtMs.map((ms) => ({ ms, bandwidth: 'wide' as const })),
  ...celtMs.map((ms) => ({ ms, bandwidth: 'superwide' as const })),
  ...celtMs.map((ms) => ({ ms, bandwidth: 'full' as const })),
];

/** From this one on the configurations are CELT's alone. */
const celtConfigsFrom = 16;

/**
 * How many PCM frames the packet decodes to, from its first two bytes alone; undefined where no
 * valid packet begins so. (Whether the rest is whole, only decoding tells.) RFC 6716 §3.1, §3.2.
 */
export function packetFrames(packet: Uint8Array, rateHz = 48_000): number | undefined {
  return framesAt(packet, 0, packet.length, rateHz);
}

/** The same for the packet `bytes[start, end)`. */
export function framesAt(
  bytes: Uint8Array,
  start: number,
  end: number,
  rateHz = 48_000,
): number | undefined {
  const toc = bytes[start];
  if (toc === undefined || start === end) return undefined;
  const count = codedFrames(toc, bytes[start + 1] ?? 0, end - start);
  const { ms } = configurations[toc >> 3]!;
  if (count === undefined || count * ms > packetMsMax) return undefined;
  return (count * ms * rateHz) / 1000;
}

/** How many channels were coded; a decoder gives as many as it was made with. */
export function packetChannels(packet: Uint8Array): 1 | 2 | undefined {
  const toc = packet[0];
  if (toc === undefined) return undefined;
  return toc & 0b100 ? 2 : 1;
}

export function packetBandwidth(packet: Uint8Array): Bandwidth | undefined {
  const toc = packet[0];
  return toc === undefined ? undefined : configurations[toc >> 3]!.bandwidth;
}

/** A packet that only says "nothing to say": libopus' DTX sends one or two bytes. */
export function isDtx(packetBytes: number): boolean {
  return packetBytes === 1 || packetBytes === 2;
}

/**
 * Whether the packet tells the audio of the one before it once more (in-band FEC): a SILK frame
 * begins with, for each channel, a voice flag per 20 ms and the flag that is asked for (RFC 6716
 * §4.2.3).
 */
export function hasRedundancy(packet: Uint8Array): boolean {
  const toc = packet[0] ?? 0;
  const config = toc >> 3;
  const first = packet[firstFrameAt(packet)];
  if (config >= celtConfigsFrom || first === undefined) return false;
  const flags = Math.max(1, configurations[config]!.ms / 20) + 1;
  const ofMid = first & (0x80 >> (flags - 1));
  const ofSide = toc & 0b100 ? first & (0x80 >> (2 * flags - 1)) : 0;
  return (ofMid | ofSide) !== 0;
}

/** Behind the TOC and what else precedes the frames (RFC 6716 §3.2). */
function firstFrameAt(packet: Uint8Array): number {
  const code = (packet[0] ?? 0) & 0b11;
  if (code < 2) return 1;
  if (code === 2) return 1 + lengthBytes(packet[1]);
  const second = packet[1] ?? 0;
  let at = 2;
  // The padding's length goes on behind each 255.
  if (second & 0x40) while (packet[at++] === 255);
  if (second & 0x80)
    for (let left = (second & 0x3f) - 1; left > 0; left--) at += lengthBytes(packet[at]);
  return at;
}

/** Of the length of a frame (§3.2.1). */
function lengthBytes(first = 0): number {
  return first < 252 ? 1 : 2;
}

/** The number of Opus frames in the packet (§3.2.2 to §3.2.5), undefined if it cannot be. */
function codedFrames(toc: number, second: number, packetBytes: number): number | undefined {
  switch (toc & 0b11) {
    case 0:
      return 1;
    case 1:
      // Two frames of one size: what follows the TOC must halve [R3].
      return packetBytes % 2 === 1 ? 2 : undefined;
    case 2:
      return packetBytes > 1 ? 2 : undefined;
    default: {
      const count = packetBytes > 1 ? second & 0x3f : 0;
      return count > 0 ? count : undefined;
    }
  }
}
