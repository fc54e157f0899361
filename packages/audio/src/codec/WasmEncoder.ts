import type { Application } from '@kvm-audio/protocol';
import type { EncoderSettings, OpusEncoder } from './CodecBackend.js';
import { CodecError, closedError, OPUS_BAD_ARG, OPUS_BUFFER_TOO_SMALL } from './CodecError.js';
import {
  controlsOf,
  frameLengths,
  GET_FINAL_RANGE,
  GET_LOOKAHEAD,
  RESET_STATE,
  settingsOf,
} from './encoderControls.js';
import type { OpusScriptModule } from './opusScript.js';
import { WasmHeap } from './WasmHeap.js';

const framesMax = 2880;
/** What opusscript tells libopus that it has room for: 1276 × 3. */
const packetBytesMax = 3828;

/** libopus' encoder in WebAssembly, at 48 kHz. Nothing is allocated per call. */
export class WasmEncoder implements OpusEncoder {
  readonly application: Application;
  readonly channels: 1 | 2;
  readonly lookaheadSamples: number;
  readonly #heap: WasmHeap;

  constructor(
    module: OpusScriptModule,
    application: Application,
    channels: 1 | 2,
    settings: EncoderSettings,
  ) {
    controlsOf(settings, channels);
    this.#heap = new WasmHeap(module, {
      application,
      channels,
      pcmBytes: framesMax * channels * 2,
      packetBytes: packetBytesMax,
    });
    this.application = application;
    this.channels = channels;
    this.configure(settings);
    this.lookaheadSamples = this.#read(GET_LOOKAHEAD);
  }

  configure(settings: EncoderSettings): void {
    this.#assertOpen('configure');
    for (const { call, set, value } of controlsOf(settings, this.channels)) {
      check(call, this.#heap.handler._encoder_ctl(set, value));
    }
  }

  /**
   * Unlike the native backend, libopus is not told how much room there is: a packet that outgrows
   * `out` is an error (CODEC_BUFFER_TOO_SMALL) and lost.
   */
  encode(pcm: Int16Array, frames: number, out: Uint8Array): number {
    this.#assertOpen('opus_encode');
    const samples = frames * this.channels;
    if (!frameLengths.has(frames) || pcm.length < samples) {
      throw new CodecError('opus_encode', OPUS_BAD_ARG, {
        message: `${frames} frames of ${pcm.length} samples`,
      });
    }
    const { handler, pcmAddress, packetAddress, int16 } = this.#heap;
    const start = pcmAddress >> 1;
    for (let i = 0; i < samples; i++) int16[start + i] = pcm[i]!;
    const length = check('opus_encode', handler._encode(pcmAddress, 0, packetAddress, frames));
    if (length > out.length) throw new CodecError('opus_encode', OPUS_BUFFER_TOO_SMALL);
    const { bytes } = this.#heap;
    for (let i = 0; i < length; i++) out[i] = bytes[packetAddress + i]!;
    return length;
  }

  /** What libopus says that it is set to. */
  settings(): EncoderSettings {
    this.#assertOpen('settings');
    return settingsOf((request) => this.#read(request));
  }

  /** The range coder's final state: equal to the decoder's after the same packet. */
  get finalRange(): number {
    this.#assertOpen('finalRange');
    return this.#read(GET_FINAL_RANGE) >>> 0;
  }

  reset(): void {
    this.#assertOpen('OPUS_RESET_STATE');
    check('OPUS_RESET_STATE', this.#heap.handler._encoder_ctl(RESET_STATE, 0));
  }

  close(): void {
    this.#heap.free();
  }

  /** A control that answers through a pointer: the packet's memory serves. */
  #read(request: number): number {
    const { handler, packetAddress } = this.#heap;
    check(`OPUS_GET ${request}`, handler._encoder_ctl(request, packetAddress));
    return this.#heap.int32[packetAddress >> 2]!;
  }

  #assertOpen(call: string): void {
    if (this.#heap.freed) throw closedError(call);
  }
}

function check(call: string, result: number): number {
  if (result < 0) throw new CodecError(call, result);
  return result;
}
