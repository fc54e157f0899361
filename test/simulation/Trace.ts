import { type AudioPacket, mediaRate } from '@kvm-audio/protocol';
import type { Random } from '../helpers/random.js';
import { tonePacketBytes, writeTonePacket } from './ToneDecoder.js';

/** What happens to one packet of a source on its way. */
export type PacketFate = {
  /** From the end of its capture to its arrival; undefined where it is lost. */
  delayMs: number | undefined;
  /** A copy comes so much later. */
  copyAfterMs?: number;
  flags?: number;
  /** Not sent at all, and not counted: a pause of the sender. */
  unsent?: boolean;
  /** Sent as a packet of so many bytes, as an encoder with DTX does for silence. */
  bytes?: number;
};

export type TraceOptions = {
  seconds: number;
  frameMs: 2.5 | 5 | 10 | 20;
  /** How much faster than nominal the source's clock runs. */
  skewPpm?: number;
  /** With captureTimeUs: a source on this machine. */
  local?: boolean;
  firstSeq?: number;
  firstMediaTime?: number;
  startUs?: number;
  phaseFrames?: number;
  /** Called once for each packet, in order. @param atMs the end of its capture */
  fate: (packet: { index: number; atMs: number }) => PacketFate;
};

export type Arrival = {
  readonly atUs: number;
  readonly packet: AudioPacket;
  /** Another source: the one before has ended. */
  readonly takesOver?: boolean;
};

const seqCount = 2 ** 32;

/** The packets of one source in order of their arrival, one by one, however long it lasts. */
export function* trace(options: TraceOptions): Generator<Arrival> {
  const { seconds, startUs = 0 } = options;
  const frameUs = (options.frameMs * 1000) / (1 + (options.skewPpm ?? 0) / 1e6);
  const onTheWay: Arrival[] = [];
  let seq = options.firstSeq ?? 0;
  for (let index = 0; (index + 1) * frameUs <= seconds * 1e6; index++) {
    const capturedUs = startUs + (index + 1) * frameUs;
    while (onTheWay[0] && onTheWay[0].atUs <= capturedUs) yield onTheWay.shift() as Arrival;
    const fate = options.fate({ index, atMs: capturedUs / 1000 });
    if (fate.unsent) continue;
    send(onTheWay, fate, capturedUs, packetOf(options, fate, index, seq, capturedUs));
    seq = (seq + 1) % seqCount;
  }
  yield* onTheWay;
}

/** One source, then another that takes over. */
export function* followedBy(first: Iterable<Arrival>, then: Iterable<Arrival>): Generator<Arrival> {
  yield* first;
  let takesOver = true;
  for (const arrival of then) {
    yield { ...arrival, takesOver };
    takesOver = false;
  }
}

function packetOf(
  { frameMs, skewPpm = 0, local, firstMediaTime = 0, phaseFrames = 0 }: TraceOptions,
  { flags = 0, bytes = tonePacketBytes }: PacketFate,
  index: number,
  seq: number,
  capturedUs: number,
): AudioPacket {
  const mediaTime = firstMediaTime + (index * frameMs * mediaRate) / 1000;
  const frameUs = (frameMs * 1000) / (1 + skewPpm / 1e6);
  const captureTimeUs = local ? Math.round(capturedUs - frameUs) : undefined;
  const payload = Buffer.alloc(tonePacketBytes);
  writeTonePacket(payload, { frameMs, mediaTime, capturedUs, phaseFrames });
  return { seq, mediaTime, captureTimeUs, flags, payload: payload.subarray(0, bytes) };
}

function send(
  onTheWay: Arrival[],
  { delayMs, copyAfterMs }: PacketFate,
  capturedUs: number,
  packet: AudioPacket,
): void {
  if (delayMs === undefined) return;
  const atUs = capturedUs + delayMs * 1000;
  insert(onTheWay, { atUs, packet });
  if (copyAfterMs !== undefined) insert(onTheWay, { atUs: atUs + copyAfterMs * 1000, packet });
}

function insert(onTheWay: Arrival[], arrival: Arrival): void {
  let at = onTheWay.length;
  while (at > 0 && (onTheWay[at - 1] as Arrival).atUs > arrival.atUs) at -= 1;
  onTheWay.splice(at, 0, arrival);
}

/** How late an event loop is that shares its machine: mostly half a millisecond, at times four. */
export function busyLoopLateMs(random: Random): number {
  return Math.min(8, -0.87 * Math.log(1 - random.next()));
}
