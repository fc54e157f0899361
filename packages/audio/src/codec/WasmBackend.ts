import type { Application } from '@kvm-audio/protocol';
import type { CodecBackend, EncoderSettings } from './CodecBackend.js';
import { controlNames } from './encoderControls.js';
import { loadOpusScript, type OpusScriptModule } from './opusScript.js';
import { WasmDecoder } from './WasmDecoder.js';
import { WasmEncoder } from './WasmEncoder.js';

/** libopus in WebAssembly: needs no compiler and no library, costs about half as much CPU again. */
export class WasmBackend implements CodecBackend {
  readonly capabilities = {
    backend: 'wasm',
    version: 'libopus 1.4 (opusscript 0.1.1)',
    exactPlc: true,
    fec: false,
    controls: controlNames,
  } as const;
  readonly #module: OpusScriptModule;

  constructor(module: OpusScriptModule) {
    this.#module = module;
  }

  createEncoder(application: Application, channels: 1 | 2, settings: EncoderSettings): WasmEncoder {
    return new WasmEncoder(this.#module, application, channels, settings);
  }

  createDecoder(channels: 1 | 2): WasmDecoder {
    return new WasmDecoder(this.#module, channels);
  }
}

/** Throws a CodecError (CODEC_UNAVAILABLE) where opusscript does not load. */
export function createWasmBackend(): WasmBackend {
  return new WasmBackend(loadOpusScript());
}
