import type { OpusAddon } from '@kvm-audio/native-alsa/opus';
import type { Application } from '@kvm-audio/protocol';
import type { CodecBackend, CodecCapabilities, EncoderSettings } from './CodecBackend.js';
import { controlNames } from './encoderControls.js';
import { NativeDecoder } from './NativeDecoder.js';
import { NativeEncoder } from './NativeEncoder.js';

/** The system's libopus, through the addon that is handed in: nothing native is loaded here. */
export class NativeBackend implements CodecBackend {
  readonly capabilities: CodecCapabilities;
  readonly #addon: OpusAddon;

  constructor(addon: OpusAddon) {
    this.#addon = addon;
    this.capabilities = {
      backend: 'native',
      version: addon.version,
      exactPlc: true,
      fec: true,
      controls: controlNames,
    };
  }

  createEncoder(
    application: Application,
    channels: 1 | 2,
    settings: EncoderSettings,
  ): NativeEncoder {
    return new NativeEncoder(this.#addon, application, channels, settings);
  }

  createDecoder(channels: 1 | 2): NativeDecoder {
    return new NativeDecoder(this.#addon, channels);
  }
}
