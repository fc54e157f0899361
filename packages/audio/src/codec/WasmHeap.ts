import type { Application } from '@kvm-audio/protocol';
import { CodecError, OPUS_BAD_ARG } from './CodecError.js';
import { applicationNumbers } from './encoderControls.js';
import type { OpusScriptHandler, OpusScriptModule } from './opusScript.js';

const rateHz = 48_000;
const OPUS_ALLOC_FAIL = -7;

/**
 * What one encoder or decoder holds in the WebAssembly heap: its handler, one buffer of PCM, one
 * of packet bytes. Addresses stay; the views of the heap do not, so they are asked for anew.
 */
export class WasmHeap {
  readonly handler: OpusScriptHandler;
  readonly pcmAddress: number;
  readonly packetAddress: number;
  readonly #module: OpusScriptModule;
  #freed = false;

  constructor(
    module: OpusScriptModule,
    options: { application: Application; channels: 1 | 2; pcmBytes: number; packetBytes: number },
  ) {
    const { application, channels, pcmBytes, packetBytes } = options;
    const number = applicationNumbers[application];
    if (number === undefined || (channels !== 1 && channels !== 2)) {
      throw new CodecError('opus_encoder_create', OPUS_BAD_ARG);
    }
    this.#module = module;
    this.pcmAddress = module._malloc(pcmBytes);
    this.packetAddress = module._malloc(packetBytes);
    if (this.pcmAddress === 0 || this.packetAddress === 0) {
      throw new CodecError('malloc', OPUS_ALLOC_FAIL);
    }
    this.handler = new module.OpusScriptHandler(rateHz, channels, number);
  }

  get int16(): Int16Array {
    return this.#module.HEAP16;
  }

  get bytes(): Uint8Array {
    return this.#module.HEAPU8;
  }

  get int32(): Int32Array {
    return this.#module.HEAP32;
  }

  get freed(): boolean {
    return this.#freed;
  }

  free(): void {
    if (this.#freed) return;
    this.#freed = true;
    this.handler.delete();
    this.#module._free(this.pcmAddress);
    this.#module._free(this.packetAddress);
  }
}
