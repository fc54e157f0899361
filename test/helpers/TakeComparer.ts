import type { QualityLevel } from '@kvm-audio/protocol';
import { findBrokenBlocks } from './brokenBlocks.js';
import { likeness } from './likeness.js';
import { bandLimit, correlation, findIn, mixDown, type Signal, splitChannels } from './signal.js';

const rate = 48_000;
const { sqrt } = Math;

export type Expectation = {
  level: QualityLevel;
  profile: 'microphone' | 'program';
};

export type Comparison = {
  /** From the first played to the first heard sample, in the recording. */
  lagFrames: number;
  /** How much later the last third came than the first, beside the rest. */
  movedFrames: number;
  /** The worse channel's, against what the level lets through. */
  correlation: number;
  correlationMin: number;
  /** The worst error of a stretch of 5 ms: see likeness.ts. */
  error: number;
  errorMax: number;
  /** Stretches that have no likeness to what was played; empty for a good take. */
  faults: Fault[];
};

export type Fault = {
  /** In frames of what was played. */
  at: number;
  what: string;
};

/** What a level lets through, and how near to the reference it must be. */
type Demand = {
  lowHz: number;
  highHz: number;
  correlationMin: number;
  errorMax: number;
};

/**
 * What test/integration/likeness.test.ts holds to be enough: the codec alone passes, and every
 * damage is found, by its error or, where the codec's own errors are large, by findBrokenBlocks.
 * Opus takes away what is under 3 Hz and turns the phase of the deep bass with it; `low` is for
 * voice, and compared from 200 Hz on. At 16 kbit/s it keeps a sound's character, not its waveform.
 */
function demandOf({ level, profile }: Expectation): Demand {
  if (level !== 'low') return { lowHz: 50, highHz: 20_000, correlationMin: 0.99, errorMax: 0.3 };
  return profile === 'program'
    ? { lowHz: 200, highHz: 12_000, correlationMin: 0.9, errorMax: 1.6 }
    : { lowHz: 200, highHz: 8_000, correlationMin: 0.9, errorMax: 2.2 };
}

/** Where every level keeps the waveform best: errors are looked for there. */
const errorBand = { lowHz: 200, highHz: 4_000 } as const;
const likenessLimits = { toleranceFrames: 12, rmsMin: 0.02, rmsOfSurroundingsMin: 0.7 } as const;
/** Of a stretch of 5 ms: the milliseconds 1 to 4. */
const middle = { from: 48, to: 192 } as const;
/** No codec makes a sound 20 dB softer than it was. */
const missingPart = 0.01;
/** How far a part of the recording may lie from where the whole does. */
const searchFrames = 4_800;
/** There should be sound where, so long before and after, the original is louder than so much. */
const soundingFrames = 480;
const soundingMin = 0.01;

/** Compares what was heard with what was played; both are interleaved stereo. */
export class TakeComparer {
  readonly #expectation: Expectation;
  readonly #demand: Demand;
  readonly #mono: Signal;
  readonly #limited: Signal[];
  readonly #errorBand: Signal;
  readonly #loudness: Float64Array;

  constructor(played: Int16Array, expectation: Expectation) {
    this.#expectation = expectation;
    this.#demand = demandOf(expectation);
    const channels = splitChannels(played, 2);
    this.#mono = mixDown(channels);
    this.#limited = (this.#isStereo ? channels : [this.#mono]).map((each) => this.#limit(each));
    this.#errorBand = bandLimit(this.#mono, errorBand.lowHz, errorBand.highHz, rate);
    this.#loudness = meanOver(this.#mono, soundingFrames);
  }

  /** @param recording begins before the first played sample and ends after the last. */
  compare(recording: Int16Array): Comparison {
    const all = splitChannels(recording, 2);
    const lagFrames = findIn(mixDown(all), this.#mono);
    const to = lagFrames + this.#mono.length;
    const heard = all.map((channel) => channel.slice(lagFrames, to));
    const correlations = heard.map((channel, index) =>
      correlation(this.#limit(channel), this.#limited[this.#isStereo ? index : 0]!),
    );
    const mono = bandLimit(mixDown(all), errorBand.lowHz, errorBand.highHz, rate);
    const heardMono = mixDown(heard);
    const stretches = likeness(this.#errorBand, mono.subarray(lagFrames, to), likenessLimits);
    const { correlationMin, errorMax } = this.#demand;
    const comparison = {
      lagFrames,
      movedFrames: this.#moved(mono, lagFrames),
      correlation: Math.min(...correlations),
      correlationMin,
      error: stretches.reduce((most, { error }) => Math.max(most, error), 0),
      errorMax,
    };
    const faults = stretches
      .filter(({ error }) => error > errorMax)
      .map(({ at, error }) => ({ at, what: `unlike the original, error ${error.toFixed(2)}` }));
    const quiet = stretches
      .filter(({ at }) => this.#isMissing(at, heardMono))
      .map(({ at }) => ({ at, what: 'next to nothing' }));
    const blocks = findBrokenBlocks(
      recording.subarray(2 * lagFrames, 2 * to),
      (frame) => this.#isLoud(frame - soundingFrames) && this.#isLoud(frame + soundingFrames),
    );
    return { ...comparison, faults: [...faults, ...quiet, ...blocks] };
  }

  /** Where a delay that changed on the way was before and after: the reason for what is unlike. */
  #moved(recording: Signal, lagFrames: number): number {
    const third = Math.floor(this.#errorBand.length / 3);
    const [first, last] = [0, 2 * third].map((from) => {
      const start = Math.max(0, lagFrames + from - searchFrames);
      const nearby = recording.slice(start, lagFrames + from + third + searchFrames);
      return start + findIn(nearby, this.#errorBand.slice(from, from + third)) - from;
    });
    return last! - first!;
  }

  /** The middle of a stretch that has energy, without its edges: sound from beside it is there. */
  #isMissing(at: number, heard: Signal): boolean {
    let energy = 0;
    let due = 0;
    for (let i = at + middle.from; i < at + middle.to; i++) {
      energy += heard[i]! ** 2;
      due += this.#errorBand[i]! ** 2;
    }
    return energy < missingPart * due;
  }

  #isLoud(frame: number): boolean {
    return (this.#loudness[frame] ?? 0) > soundingMin;
  }

  get #isStereo(): boolean {
    return this.#expectation.profile === 'program' && this.#expectation.level !== 'low';
  }

  #limit(signal: Signal): Signal {
    return bandLimit(signal, this.#demand.lowHz, this.#demand.highHz, rate);
  }
}

/** Root of the mean square of the `frames` samples around each sample. */
function meanOver(signal: Signal, frames: number): Float64Array {
  const means = new Float64Array(signal.length);
  let energy = 0;
  for (let i = 0; i < signal.length + frames / 2; i++) {
    energy += (signal[i] ?? 0) ** 2 - (signal[i - frames] ?? 0) ** 2;
    if (i >= frames / 2) means[i - frames / 2] = sqrt(energy > 0 ? energy / frames : 0);
  }
  return means;
}
