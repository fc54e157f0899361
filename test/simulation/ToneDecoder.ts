import { type OpusDecoder, packetFrames } from '@kvm-audio/audio';

/** TOC bytes of CELT packets with one frame (RFC 6716 table 2), by its length in milliseconds. */
const toc: Record<number, number> = { 2.5: 0xe0, 5: 0xe8, 10: 0xf0, 20: 0xf8 };
const payloadBytes = 18;
/** 480 Hz: its period is a whole number of samples, and a decoded frame a part of a table. */
const periodFrames = 100;
const amplitude = 10_000;
const framesMax = 5_760;
export const channels = 2;

/** No step between neighbouring samples of the tone is greater. */
export const toneStepMax = Math.ceil((2 * Math.PI * amplitude) / periodFrames);
/** A fade over 2.5 ms between two tones makes their steps add up, no more. */
export const fadedStepMax = 2 * toneStepMax;

const table = Int16Array.from({ length: (framesMax + periodFrames) * channels }, (_, i) =>
  Math.round(amplitude * Math.sin((2 * Math.PI * Math.floor(i / channels)) / periodFrames)),
);

/** So much of the tone, interleaved, from any moment of it. */
export function toneAt(from: number, frames: number): Int16Array {
  const start = (from % periodFrames) * channels;
  return table.subarray(start, start + frames * channels);
}

export type TonePacket = {
  frameMs: number;
  mediaTime: number;
  /** When its last sample was captured, in the simulation's time. */
  capturedUs: number;
  /** Where in its period the source's tone begins. */
  phaseFrames: number;
};

export function writeTonePacket(payload: Buffer, packet: TonePacket): void {
  payload[0] = toc[packet.frameMs] ?? 0;
  payload.writeDoubleBE(packet.mediaTime, 1);
  payload.writeDoubleBE(packet.capturedUs, 9);
  payload[17] = packet.phaseFrames;
}

export const tonePacketBytes = payloadBytes;

/**
 * Decodes packets that say which moment of a tone they are, and makes up what is missing without
 * a fault. Fast: a day of packets is decoded in some seconds.
 */
export class ToneDecoder implements OpusDecoder {
  readonly channels = channels;
  /** When the last sample of what was decoded last was captured; undefined for made-up sound. */
  capturedUs: number | undefined;
  #next = 0;

  decode(packet: Uint8Array, out: Int16Array): number {
    const frames = packetFrames(packet) ?? 0;
    if (packet.length < payloadBytes) return this.conceal(frames, out);
    const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
    const mediaTime = view.getFloat64(1);
    this.#write(mediaTime + view.getUint8(17), frames, out);
    this.capturedUs = view.getFloat64(9);
    return frames;
  }

  decodeFec(_next: Uint8Array, frames: number, out: Int16Array): number {
    return this.conceal(frames, out);
  }

  conceal(frames: number, out: Int16Array): number {
    if (frames % 120 !== 0) throw new RangeError(`${frames} frames`);
    this.#write(this.#next, frames, out);
    this.capturedUs = undefined;
    return frames;
  }

  reset(): void {
    this.#next = 0;
  }

  close(): void {}

  #write(from: number, frames: number, out: Int16Array): void {
    out.set(toneAt(from, frames));
    this.#next = from + frames;
  }
}
