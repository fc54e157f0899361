import type { Application } from '@kvm-audio/protocol';

/** All that can be set on a running encoder. */
export type EncoderSettings = {
  /** bits per second */
  bitrate: number;
  /** 0 (cheap) to 10 (thorough) */
  complexity: number;
  vbr: boolean;
  constrainedVbr: boolean;
  dtx: boolean;
  fec: boolean;
  /** 0 to 100 */
  expectedLossPercent: number;
  signal: 'auto' | 'voice' | 'music';
  bandwidthMax: Bandwidth;
  /** 0 = the encoder chooses */
  forcedChannels: 0 | 1 | 2;
};

export type Bandwidth = 'narrow' | 'medium' | 'wide' | 'superwide' | 'full';

/**
 * An encoder at 48 kHz. Called on one thread, between frames; no method allocates per call.
 * Every method throws a CodecError.
 */
export interface OpusEncoder {
  readonly application: Application;
  readonly channels: 1 | 2;
  /** by this a thread of an addon encodes, while nobody calls this object; undefined: none can */
  readonly role?: object | undefined;
  /** samples at 48 kHz by which the packets lag the PCM */
  readonly lookaheadSamples: number;
  /** All or nothing; takes effect with the next frame. */
  configure(settings: EncoderSettings): void;
  /**
   * `pcm` is interleaved int16 at 48 kHz and holds at least `frames` frames, a legal Opus length.
   * Writes one packet into `out` from byte 0; returns its length in bytes.
   */
  encode(pcm: Int16Array, frames: number, out: Uint8Array): number;
  reset(): void;
  /** Idempotent. Every other method throws afterwards. */
  close(): void;
}

/** A decoder at 48 kHz: int16, interleaved, `channels` whatever the packets hold. */
export interface OpusDecoder {
  readonly channels: 1 | 2;
  /** see OpusEncoder */
  readonly role?: object | undefined;
  /** Returns the frames written to `out`. */
  decode(packet: Uint8Array, out: Int16Array): number;
  /**
   * The `frames` lost just before `nextPacket`, from its in-band FEC where it has one and the
   * backend can (capabilities.fec), else concealed. Decode `nextPacket` itself afterwards.
   */
  decodeFec(nextPacket: Uint8Array, frames: number, out: Int16Array): number;
  /** Makes up exactly `frames`, a multiple of 120, for what was lost. */
  conceal(frames: number, out: Int16Array): number;
  reset(): void;
  /** Idempotent. Every other method throws afterwards. */
  close(): void;
}

export type CodecCapabilities = {
  readonly backend: 'native' | 'wasm';
  readonly version: string;
  /** conceal() gives exactly the missing length and leaves the decoder just behind it */
  readonly exactPlc: boolean;
  /** decodeFec() uses in-band FEC; without it, it conceals */
  readonly fec: boolean;
  /** the settings that reach libopus */
  readonly controls: readonly (keyof EncoderSettings)[];
};

export interface CodecBackend {
  readonly capabilities: CodecCapabilities;
  createEncoder(application: Application, channels: 1 | 2, settings: EncoderSettings): OpusEncoder;
  createDecoder(channels: 1 | 2): OpusDecoder;
}
