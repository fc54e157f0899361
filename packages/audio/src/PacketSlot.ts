import { strict as assert } from 'node:assert';
import {
  limits,
  mediaRate,
  type OutgoingPacket,
  packetHeaderBytesMax,
  writePacketHeader,
} from '@kvm-audio/protocol';
import { Slot } from './FramePool.js';

export const packetSlotBytes = packetHeaderBytesMax + limits.packetPayloadBytesMax;

/**
 * One encoded packet in pooled memory, with room for the wire header in front of its payload, so
 * that the message that a client gets is written from where the encoder put it.
 */
export class PacketSlot extends Slot implements OutgoingPacket {
  seq = 0;
  /** 48 kHz samples. */
  mediaTime = 0;
  captureTimeUs: number | undefined;
  /** When it was read from its socket; CLOCK_MONOTONIC, microseconds. */
  arrivalUs = 0;
  flags = 0;
  /** Length in 48 kHz samples. */
  frames = 0;
  /** All the room that a payload has. */
  readonly room: Buffer;
  readonly bytes: Buffer;
  #start = 0;
  #payloadBytes = 0;

  constructor(bytes: Buffer) {
    super();
    this.bytes = bytes;
    this.room = bytes.subarray(packetHeaderBytesMax);
  }

  get durationMs(): number {
    return (this.frames * 1000) / mediaRate;
  }

  get payloadBytes(): number {
    return this.#payloadBytes;
  }

  /** A new view each time; a plain one, as a Buffer is dearer to make. */
  get payload(): Uint8Array {
    const { buffer, byteOffset } = this.room;
    return new Uint8Array(buffer, byteOffset, this.#payloadBytes);
  }

  /** The whole message, from its length field on, is `bytes[start, end)`; call `seal` first. */
  get start(): number {
    return this.#start;
  }

  get end(): number {
    return packetHeaderBytesMax + this.#payloadBytes;
  }

  /** `room[0, bytes)` is the payload now. */
  setPayload(bytes: number): void {
    assert(bytes >= 1 && bytes <= this.room.length, 'payload length');
    this.#payloadBytes = bytes;
  }

  /** Writes the header for the present fields in front of the payload. */
  seal(): void {
    this.#start = writePacketHeader(
      this.bytes,
      this.#payloadBytes,
      this.seq,
      this.mediaTime,
      this.captureTimeUs,
      this.flags,
    );
  }
}
