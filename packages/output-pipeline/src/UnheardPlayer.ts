import { framesAt, type OpusDecoder } from '@kvm-audio/audio';
import { mediaRate, type ReceivedPacket } from '@kvm-audio/protocol';
import type { PlayerCounters } from './PlayerParts.js';
import { PlayoutDecoder } from './PlayoutDecoder.js';
import type { PlayoutTarget } from './PlayoutTarget.js';

/** The longest Opus frame; a longer packet is refused. */
const packetFramesMax = (60 * mediaRate) / 1000;

/**
 * In the place of a player where there is no card: nobody hears what comes. It is decoded, so that
 * the decoder is where the packet needs it that is heard again. (Without, sound that has become
 * quiet meanwhile begins as loud as a tenth of what was loud before, for a packet.)
 */
export class UnheardPlayer {
  readonly #decoder: PlayoutDecoder;
  readonly #target: PlayoutTarget;
  readonly #counters: PlayerCounters;
  readonly #pcm: Int16Array;
  #isUnderWay = false;

  constructor(decoder: OpusDecoder, target: PlayoutTarget, counters: PlayerCounters) {
    this.#decoder = new PlayoutDecoder(decoder);
    this.#target = target;
    this.#counters = counters;
    this.#pcm = new Int16Array(packetFramesMax * decoder.channels);
  }

  /** The source has begun here: who plays on begins in the middle. */
  get isUnderWay(): boolean {
    return this.#isUnderWay;
  }

  onPacket({ bytes, payloadStart, payloadEnd, flags }: ReceivedPacket): void {
    this.#counters.drops.no_device += 1;
    this.#isUnderWay = true;
    const frames = framesAt(bytes, payloadStart, payloadEnd);
    if (frames === undefined || frames > packetFramesMax) return;
    this.#counters.unheardFrames += frames;
    this.#decoder.decode(bytes.subarray(payloadStart, payloadEnd), flags, frames, this.#pcm);
  }

  /** The source has ended: nothing of it says anything about the next one. */
  end(): void {
    this.#isUnderWay = false;
    this.#decoder.reset();
    this.#target.reset();
  }
}
