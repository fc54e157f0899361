/** RFC 6716 §3.4 [R5]: at most 120 ms of audio in one packet. */
const packetMsMax = 120;

/** Length of one frame of a configuration: the upper 5 bits of the first byte. RFC 6716, table 2. */
function frameMs(config: number): number {
  if (config < 12) return [10, 20, 40, 60][config & 3] as number;
  if (config < 16) return [10, 20][config & 1] as number;
  return [2.5, 5, 10, 20][config & 3] as number;
}

/**
 * How long an Opus packet sounds, from its first two bytes (RFC 6716 §3.1, §3.2).
 *
 * @returns milliseconds, 2.5 to 120; undefined where no Opus packet begins so.
 */
export function opusPacketMs(payload: Uint8Array): number | undefined {
  return payload.length === 0 ? undefined : packetMsOf(payload[0] ?? 0, payload[1] ?? 0);
}

/** The same of the two bytes alone; a missing one is 0. */
export function packetMsOf(first: number, second: number): number | undefined {
  const code = first & 3;
  const frames = code === 0 ? 1 : code === 3 ? second & 0x3f : 2;
  const ms = frames * frameMs(first >> 3);
  return ms > 0 && ms <= packetMsMax ? ms : undefined;
}
