import type { OpusAddon } from '@kvm-audio/native-alsa/opus';
import type { CodecBackend } from './CodecBackend.js';
import { CodecError, OPUS_UNIMPLEMENTED } from './CodecError.js';
import { NativeBackend } from './NativeBackend.js';
import { createWasmBackend } from './WasmBackend.js';

export type CodecChoice = 'auto' | 'native' | 'wasm';

/**
 * `auto` takes native where `loadAddon` succeeds, else wasm, and tells `onNativeFailed` why, for
 * the log. `native` that does not load is a CodecError (CODEC_UNAVAILABLE) with the reason.
 * `loadAddon` is handed in, so that this package loads no addon.
 */
export function chooseBackend(
  choice: CodecChoice,
  loadAddon: () => OpusAddon,
  onNativeFailed?: (reason: string) => void,
): CodecBackend {
  if (choice === 'wasm') return createWasmBackend();
  try {
    return new NativeBackend(loadAddon());
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    if (choice === 'native') {
      throw new CodecError('load native', OPUS_UNIMPLEMENTED, {
        code: 'CODEC_UNAVAILABLE',
        message: reason,
        cause: error,
      });
    }
    onNativeFailed?.(reason);
    return createWasmBackend();
  }
}
