import { effectiveFormat, toStreamFormat } from '@kvm-audio/audio';
import type { Config } from '@kvm-audio/daemon';
import {
  type QualityEntry,
  type QualityLevel,
  qualityLevels,
  type StreamFormat,
} from '@kvm-audio/protocol';

/** libopus' look-ahead at 48 kHz (opus_encoder.c): a source's encoder is not known, nor needed. */
const lookahead = { lowdelay: 120, otherwise: 312 };

/** What the source is asked to send; what comes is played whatever it is. */
export class OutputQuality {
  level: QualityLevel;
  readonly lookaheadSamples: number;
  readonly #output: Config['output'];
  readonly #channels: 1 | 2;

  constructor(output: Config['output'], channels: 1 | 2) {
    this.level = output.quality;
    this.lookaheadSamples =
      output.application === 'lowdelay' ? lookahead.lowdelay : lookahead.otherwise;
    this.#output = output;
    this.#channels = channels;
  }

  get format(): StreamFormat {
    return this.#format(this.level);
  }

  get entry(): QualityEntry {
    return this.#entry(this.level);
  }

  list(): QualityEntry[] {
    return qualityLevels.map((level) => this.#entry(level));
  }

  #entry(level: QualityLevel): QualityEntry {
    return { direction: 'output', level, format: this.#format(level) };
  }

  #format(level: QualityLevel): StreamFormat {
    const { frameMs, application } = this.#output;
    const format = effectiveFormat({
      direction: 'output',
      profile: 'program',
      level,
      frameMs,
      application,
      deviceChannels: this.#channels,
    });
    return toStreamFormat(format, this.lookaheadSamples);
  }
}
