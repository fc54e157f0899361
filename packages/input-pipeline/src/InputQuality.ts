import { type EffectiveFormat, effectiveFormat, toStreamFormat } from '@kvm-audio/audio';
import type { Config } from '@kvm-audio/daemon';
import {
  type QualityEntry,
  type QualityLevel,
  qualityLevels,
  type StreamFormat,
} from '@kvm-audio/protocol';

/** What is sent: the level of the present, and what each level would be here. */
export class InputQuality {
  readonly #input: Config['input'];
  readonly #channels: 1 | 2;
  #effective: EffectiveFormat;
  /** The encoder's, which is told when there is one. */
  lookaheadSamples = 0;

  constructor(input: Config['input'], channels: 1 | 2) {
    this.#input = input;
    this.#channels = channels;
    this.#effective = this.#effectiveAt(input.quality);
  }

  /** What the encoder is to be set to; another object after each change. */
  get effective(): EffectiveFormat {
    return this.#effective;
  }

  /** What a client is told. */
  get format(): StreamFormat {
    return toStreamFormat(this.#effective, this.lookaheadSamples);
  }

  get entry(): QualityEntry {
    return this.#entry(this.#effective.level);
  }

  list(): QualityEntry[] {
    return qualityLevels.map((level) => this.#entry(level));
  }

  setLevel(level: QualityLevel): EffectiveFormat {
    this.#effective = this.#effectiveAt(level);
    return this.#effective;
  }

  #entry(level: QualityLevel): QualityEntry {
    const format = toStreamFormat(this.#effectiveAt(level), this.lookaheadSamples);
    return { direction: 'input', level, format };
  }

  #effectiveAt(level: QualityLevel): EffectiveFormat {
    const { profile, frameMs, application } = this.#input;
    return effectiveFormat({
      direction: 'input',
      profile,
      level,
      frameMs,
      application,
      deviceChannels: this.#channels,
    });
  }
}
