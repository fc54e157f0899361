import type { OpusDecoder } from './CodecBackend.js';
import {
  CodecError,
  closedError,
  OPUS_BAD_ARG,
  OPUS_BUFFER_TOO_SMALL,
  OPUS_INVALID_PACKET,
} from './CodecError.js';
import { GET_FINAL_RANGE, RESET_STATE } from './encoderControls.js';
import { packetFrames } from './opusPacket.js';
import type { OpusScriptModule } from './opusScript.js';
import { WasmHeap } from './WasmHeap.js';

/** 120 ms, the longest packet. */
const framesMax = 5760;
/** Twice what the protocol carries in a packet. */
const packetBytesMax = 8192;
/** opusscript writes one int16 per byte: 4 bytes per sample. */
const bytesPerSample = 4;

/** Full-band CELT of 20, 10, 5 and 2.5 ms: configurations 31 to 28 (RFC 6716, table 2). */
const lostPieces = [
  { frames: 960, toc: 31 << 3 },
  { frames: 480, toc: 30 << 3 },
  { frames: 240, toc: 29 << 3 },
  { frames: 120, toc: 28 << 3 },
] as const;

/**
 * libopus' decoder in WebAssembly, at 48 kHz. Nothing is allocated per call.
 *
 * Concealment: opusscript cannot hand libopus a frame length. But RFC 6716 §3.2.1 has a packet
 * that says it: a TOC byte and a frame of no bytes, "DTX or lost packet". libopus conceals such a
 * frame just as it does a missing one, for the length in the TOC. (A test compares both ways, on
 * the native backend, sample by sample.)
 */
export class WasmDecoder implements OpusDecoder {
  readonly channels: 1 | 2;
  readonly #heap: WasmHeap;
  /** The stereo bit of the last packet: how many channels the concealment decodes. */
  #stereoBit = 0;

  constructor(module: OpusScriptModule, channels: 1 | 2) {
    this.#heap = new WasmHeap(module, {
      application: 'audio',
      channels,
      pcmBytes: framesMax * channels * bytesPerSample,
      packetBytes: packetBytesMax,
    });
    this.channels = channels;
  }

  decode(packet: Uint8Array, out: Int16Array): number {
    this.#assertOpen('opus_decode');
    const frames = packetFrames(packet);
    if (frames === undefined || packet.length > packetBytesMax) {
      throw new CodecError('opus_decode', OPUS_INVALID_PACKET);
    }
    if (out.length < frames * this.channels) {
      throw new CodecError('opus_decode', OPUS_BUFFER_TOO_SMALL);
    }
    const { bytes, packetAddress } = this.#heap;
    for (let i = 0; i < packet.length; i++) bytes[packetAddress + i] = packet[i]!;
    const decoded = this.#decodeHeap('opus_decode', packet.length, out, 0);
    this.#stereoBit = packet[0]! & 0b100;
    return decoded;
  }

  /** opusscript has no FEC flag: what was lost is concealed. */
  decodeFec(nextPacket: Uint8Array, frames: number, out: Int16Array): number {
    this.#assertOpen('opus_decode FEC');
    if (packetFrames(nextPacket) === undefined) {
      throw new CodecError('opus_decode FEC', OPUS_INVALID_PACKET);
    }
    return this.conceal(frames, out);
  }

  conceal(frames: number, out: Int16Array): number {
    this.#assertOpen('opus_decode PLC');
    if (!(frames > 0 && frames <= framesMax && frames % 120 === 0)) {
      throw new CodecError('opus_decode PLC', OPUS_BAD_ARG, { message: `${frames} frames` });
    }
    if (out.length < frames * this.channels) {
      throw new CodecError('opus_decode PLC', OPUS_BUFFER_TOO_SMALL);
    }
    let done = 0;
    for (const piece of lostPieces) {
      while (frames - done >= piece.frames) {
        this.#heap.bytes[this.#heap.packetAddress] = piece.toc | this.#stereoBit;
        done += this.#decodeHeap('opus_decode PLC', 1, out, done);
      }
    }
    return done;
  }

  /** The range coder's final state: equal to the encoder's after the same packet. */
  get finalRange(): number {
    this.#assertOpen('finalRange');
    const { handler, packetAddress } = this.#heap;
    this.#check('OPUS_GET_FINAL_RANGE', handler._decoder_ctl(GET_FINAL_RANGE, packetAddress));
    return this.#heap.int32[packetAddress >> 2]! >>> 0;
  }

  reset(): void {
    this.#assertOpen('OPUS_RESET_STATE');
    this.#check('OPUS_RESET_STATE', this.#heap.handler._decoder_ctl(RESET_STATE, 0));
    this.#stereoBit = 0;
  }

  close(): void {
    this.#heap.free();
  }

  /** Decodes the packet in the heap into `out`, from frame `at` on. */
  #decodeHeap(call: string, packetBytes: number, out: Int16Array, at: number): number {
    const { handler, packetAddress, pcmAddress } = this.#heap;
    const frames = this.#check(call, handler._decode(packetAddress, packetBytes, pcmAddress));
    const { int32 } = this.#heap;
    const from = pcmAddress >> 2;
    const to = at * this.channels;
    const samples = frames * this.channels;
    for (let i = 0; i < samples; i++) {
      // Two int16, each with one byte of the sample, are one int32.
      const pair = int32[from + i]!;
      out[to + i] = (pair & 0xff) | (pair >> 8);
    }
    return frames;
  }

  #check(call: string, result: number): number {
    if (result < 0) throw new CodecError(call, result);
    return result;
  }

  #assertOpen(call: string): void {
    if (this.#heap.freed) throw closedError(call);
  }
}
