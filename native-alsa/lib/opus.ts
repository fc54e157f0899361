import { type Addon, loadAddon } from './opus/addon.js';
import { NativeDecoder } from './opus/NativeDecoder.js';
import { NativeEncoder } from './opus/NativeEncoder.js';
import type { Application, EncoderSettings } from './opus/settings.js';

export { loadAddon } from './opus/addon.js';
export { CodecError } from './opus/errors.js';
export type { NativeDecoder } from './opus/NativeDecoder.js';
export type { NativeEncoder } from './opus/NativeEncoder.js';
export type { Application, EncoderSettings } from './opus/settings.js';

export type NativeCapabilities = {
  readonly backend: 'native';
  /** as libopus says it, such as `libopus 1.3.1` */
  readonly version: string;
  readonly exactPlc: boolean;
  readonly fec: boolean;
  readonly controls: readonly (keyof EncoderSettings)[];
};

const controls = [
  'bitrate',
  'complexity',
  'vbr',
  'constrainedVbr',
  'dtx',
  'fec',
  'expectedLossPercent',
  'signal',
  'bandwidthMax',
  'forcedChannels',
] as const satisfies readonly (keyof EncoderSettings)[];

/** libopus through the addon. It has the shape of the CodecBackend of @kvm-audio/audio. */
export class NativeBackend {
  readonly capabilities: NativeCapabilities;
  readonly #addon: Addon;

  constructor(addon: Addon) {
    this.#addon = addon;
    this.capabilities = {
      backend: 'native',
      version: addon.version,
      exactPlc: true,
      fec: true,
      controls,
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

/** Throws a CodecError (CODEC_UNAVAILABLE) that says what to install or to build. */
export function createNativeBackend(): NativeBackend {
  return new NativeBackend(loadAddon());
}
