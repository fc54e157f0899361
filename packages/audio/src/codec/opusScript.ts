import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { CodecError, OPUS_UNIMPLEMENTED } from './CodecError.js';

/**
 * libopus 1.4 as WebAssembly, from the package `opusscript`, whose version is pinned.
 *
 * We load its emscripten module and not the class `OpusScript` around it. That class takes byte
 * addresses for indices of a Uint16Array (`HEAPU16.subarray(pointer, …)`), so its PCM lies at
 * twice the address that it allocated: in nobody's memory with one instance, in the codec state
 * of the others from three instances on (measured with 0.1.1: "memory access out of bounds").
 * With our own buffers that cannot happen, and the copies through Buffer fall away too.
 *
 * What the module offers, found by test:
 * - encoder: every application, frames from 2.5 to 60 ms, every OPUS_SET_*; OPUS_GET_* through a
 *   pointer into the heap; packets up to 3,828 bytes, whatever room the caller has;
 * - decoder: OPUS_RESET_STATE, OPUS_GET_FINAL_RANGE; packets up to 120 ms; no FEC flag;
 *   no frame length, so a lost packet as libopus' API has it (no data) would always be 120 ms;
 * - a stack of 64 KiB, which 40 ms of stereo overruns: see withLargerStack.
 */
export type OpusScriptModule = {
  /** Replaced when the heap grows: never keep them. */
  readonly HEAP16: Int16Array;
  readonly HEAPU8: Uint8Array;
  readonly HEAP32: Int32Array;
  readonly OpusScriptHandler: new (
    rateHz: number,
    channels: number,
    application: number,
  ) => OpusScriptHandler;
  _malloc(bytes: number): number;
  _free(address: number): void;
};

/** An encoder and a decoder of libopus; addresses are bytes in the heap, results OPUS_* codes. */
export interface OpusScriptHandler {
  /**
   * Encodes the int16 at `pcm`. `repackBytes` says how many samples it should first put together
   * out of one int16 per *byte*; we give it 0 and whole samples.
   */
  _encode(pcm: number, repackBytes: number, packet: number, frames: number): number;
  /** Writes one int16 per *byte* of PCM, low byte first. */
  _decode(packet: number, packetBytes: number, pcm: number): number;
  _encoder_ctl(request: number, value: number): number;
  _decoder_ctl(request: number, value: number): number;
  delete(): void;
}

type CreateModule = (options: { wasmBinary: Uint8Array }) => Partial<OpusScriptModule>;

const modulePath = 'opusscript/build/opusscript_native_wasm.js';
const binaryPath = 'opusscript/build/opusscript_native_wasm.wasm';

/** The one global of the binary, `i32 mut = 126000`: where its stack begins, growing downwards. */
const stackGlobal = Uint8Array.of(0x7f, 0x01, 0x41, 0xb0, 0xd8, 0x07, 0x0b);
/** 1,048,560 in as many bytes (signed LEB128). */
const stackGlobalMoved = Uint8Array.of(0x7f, 0x01, 0x41, 0xf0, 0xff, 0x3f, 0x0b);
const stackTop = 1_048_560;
/** libopus needs 94,352 bytes at most (60 ms of stereo). */
const stackBytesMin = 512 * 1024;

let loaded: OpusScriptModule | undefined;

/**
 * Compiles the module (about 15 ms, 16 MB of address space), once in a process and only where the
 * wasm backend is wanted. Synchronous, from the package's own file. Throws CODEC_UNAVAILABLE.
 */
export function loadOpusScript(): OpusScriptModule {
  loaded ??= instantiate();
  return loaded;
}

function instantiate(): OpusScriptModule {
  let module: Partial<OpusScriptModule>;
  try {
    const require = createRequire(import.meta.url);
    const create = require(modulePath) as CreateModule;
    const wasmBinary = withLargerStack(readFileSync(require.resolve(binaryPath)));
    module = create({ wasmBinary });
  } catch (error) {
    throw unavailable(error instanceof Error ? error.message : String(error));
  }
  if (!isWhole(module)) throw unavailable('this version of opusscript has other exports');
  reserveStack(module);
  return module;
}

/**
 * opusscript is linked with emscripten's default stack of 64 KiB, right above libopus' tables.
 * Measured: encoding takes 56,832 bytes of it for 20 ms of stereo, 64,784 for 60 ms of mono, and
 * more than there is for 40 and 60 ms of stereo: it then overwrites the tables and, a few frames
 * on, the heap. So the stack's beginning, a constant, is moved up into the heap before the module
 * is compiled, and reserveStack takes the memory below it from the heap.
 */
function withLargerStack(binary: Buffer): Uint8Array {
  const at = binary.indexOf(stackGlobal);
  if (at < 0 || binary.indexOf(stackGlobal, at + 1) >= 0) {
    throw unavailable('this version of opusscript has another memory layout');
  }
  binary.set(stackGlobalMoved, at);
  return binary;
}

/** Allocates, for ever, a block that holds the moved stack. */
function reserveStack(module: OpusScriptModule): void {
  const bytes = stackTop - 64 * 1024;
  const address = module._malloc(bytes);
  const isAround = address + stackBytesMin <= stackTop && address + bytes >= stackTop;
  if (address === 0 || !isAround) throw unavailable('no room for the stack');
}

function isWhole(module: Partial<OpusScriptModule>): module is OpusScriptModule {
  const { HEAP16, HEAPU8, HEAP32, OpusScriptHandler, _malloc, _free } = module;
  return (
    HEAP16 instanceof Int16Array &&
    HEAPU8 instanceof Uint8Array &&
    HEAP32 instanceof Int32Array &&
    [OpusScriptHandler, _malloc, _free].every((each) => typeof each === 'function')
  );
}

function unavailable(message: string): CodecError {
  return new CodecError('load opusscript', OPUS_UNIMPLEMENTED, {
    code: 'CODEC_UNAVAILABLE',
    message,
  });
}
