import type { JitterBuffer, OpusDecoder } from '@kvm-audio/audio';
import { type DropCounts, noDrops } from '@kvm-audio/protocol';
import type { PcmSink } from './PcmSink.js';
import type { PlayoutLatency } from './PlayoutLatency.js';
import type { PlayoutTarget } from './PlayoutTarget.js';
import type { VariableResampler } from './RateMatcher.js';

export type PlayerCounters = {
  drops: DropCounts;
  concealedFrames: number;
  /** Frames that were cut out to get back to the target. */
  trimmedFrames: number;
  /** Frames that were added to get back to the target. */
  insertedFrames: number;
  /** Frames that came and that no card played: there was none, or it stood still. */
  unheardFrames: number;
};

export function noPlayerCounts(): PlayerCounters {
  return {
    drops: noDrops(),
    concealedFrames: 0,
    trimmedFrames: 0,
    insertedFrames: 0,
    unheardFrames: 0,
  };
}

/** What the way of a packet goes through, and what it is counted in. */
export type PlayerParts = {
  sink: PcmSink;
  decoder: OpusDecoder;
  resampler: VariableResampler;
  jitter: JitterBuffer;
  latency: PlayoutLatency;
  counters: PlayerCounters;
};

export type PlayerOptions = {
  channels: number;
  /** How much audio is to be unplayed when a packet comes. */
  target: PlayoutTarget;
  /** The card's thread puts in silence when the device holds only so much. */
  guardFrames: number;
  /** Encoder's look-ahead of the source: its share of the latency, in samples. */
  lookaheadSamples: number;
  /** What is heard first is from the middle of a sound. */
  joinsLate?: boolean;
  /** CLOCK_MONOTONIC, in microseconds. */
  clock(): number;
};
