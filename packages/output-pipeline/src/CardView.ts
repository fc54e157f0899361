import type { CarriedPacket } from '@kvm-audio/native-alsa/alsa';
import type { PcmSink, Playout } from './PcmSink.js';

/** A card that has not moved for so long stands still: nothing waits for it. */
export const standstillUs = 300_000;

type Stand = {
  lookUs: number;
  /** Unplayed in ring and device. */
  queuedFrames: number;
  /** Of these, what waits in the ring. */
  ringFrames: number;
  /** What the card holds beyond its buffer. */
  beyondFrames: number;
};

/** Where a card stood at the last look, with what was given to it since. */
export class CardView {
  readonly #sink: PcmSink;
  #streaming = false;
  #fillFrames = 0;
  #ringFrames = 0;
  #beyondFrames = 0;
  #lookUs = 0;
  #silenceFrames: number;
  /** Since when audio is given to it: it has nothing to stand still for before. */
  #givenSinceUs: number | undefined;
  #givenFrames = 0;
  #hasFaded = false;
  #standsStill = false;

  constructor(sink: PcmSink) {
    this.#sink = sink;
    this.#silenceFrames = sink.playout(0).silenceFrames;
  }

  get streaming(): boolean {
    return this.#streaming;
  }

  /** Unplayed in ring and device. */
  get fillFrames(): number {
    return this.#fillFrames;
  }

  get lookUs(): number {
    return this.#lookUs;
  }

  /** Silence that the card's thread has put in, since the opening. */
  get silenceFrames(): number {
    return this.#silenceFrames;
  }

  /** Given since the stream began. */
  get givenFrames(): number {
    return this.#givenFrames;
  }

  /** Its thread has put in silence behind all that was given, which has died away in it. */
  get hasFaded(): boolean {
    return this.#hasFaded;
  }

  get standsStill(): boolean {
    return this.#standsStill;
  }

  get isPlaying(): boolean {
    return this.#streaming && !this.#standsStill;
  }

  /** It has something to play: from that it is seen to move on. */
  get isHeldUp(): boolean {
    return this.#streaming || this.#fillFrames > 0;
  }

  /** The stream that it was given has not ended. */
  get isGiven(): boolean {
    return this.#givenSinceUs !== undefined;
  }

  /** Nothing that was given was heard yet. */
  get isUnheard(): boolean {
    return this.#fillFrames >= this.#givenFrames;
  }

  /** @returns the silence that the card's thread has put in since the last look. */
  look(nowUs: number): number {
    const playout = this.#sink.playout(nowUs);
    const stoodStill = this.#standsStill;
    this.#standsStill = this.#standstillUs(playout, nowUs) >= standstillUs;
    if (stoodStill && !this.#standsStill) this.#givenSinceUs = undefined;
    this.#streaming = playout.streaming;
    this.#fillFrames = playout.queuedFrames;
    this.#ringFrames = playout.ringFrames;
    this.#beyondFrames = playout.beyondFrames;
    this.#lookUs = nowUs;
    const silenceFrames = playout.silenceFrames - this.#silenceFrames;
    this.#silenceFrames = playout.silenceFrames;
    this.#hasFaded ||= silenceFrames > 0;
    return silenceFrames;
  }

  /** A fast path has looked, when a packet came. */
  lookAs({ queuedFrames, ringFrames, beyondFrames, arrivalUs }: CarriedPacket): void {
    this.#fillFrames = queuedFrames;
    this.#ringFrames = ringFrames;
    this.#beyondFrames = beyondFrames;
    this.#lookUs = arrivalUs;
  }

  /** What was unplayed in front of it at the last look, and when that was. */
  tell(at: Stand): void {
    at.lookUs = this.#lookUs;
    at.queuedFrames = this.#fillFrames;
    at.ringFrames = this.#ringFrames;
    at.beyondFrames = this.#beyondFrames;
  }

  /** For how long it has not moved although it was given audio, in milliseconds. */
  standstillMs(nowUs: number): number {
    return this.#standstillUs(this.#sink.playout(nowUs), nowUs) / 1000;
  }

  #standstillUs({ lastProgressUs }: Playout, nowUs: number): number {
    if (this.#givenSinceUs === undefined) return 0;
    return Math.max(0, nowUs - Math.max(lastProgressUs, this.#givenSinceUs));
  }

  /** It is about to be given audio. */
  begin(nowUs: number): void {
    this.#givenSinceUs ??= nowUs;
  }

  noteGiven(frames: number): void {
    this.#fillFrames += frames;
    this.#ringFrames += frames;
    this.#givenFrames += frames;
    this.#hasFaded = false;
  }

  /** The first commit starts it, with so much silence. */
  noteStart(silenceFrames: number): void {
    this.#streaming = true;
    this.#fillFrames = silenceFrames;
  }

  /** It was emptied. */
  noteStop(): void {
    this.#streaming = false;
    this.#fillFrames = 0;
    this.#ringFrames = 0;
    this.#givenFrames = 0;
  }

  /** It plays what it has, and has nothing to stand still for then. */
  endOfStream(): void {
    this.#sink.endOfStream();
    this.#givenSinceUs = undefined;
  }

  /** Nothing comes any more. */
  noteRest(): void {
    this.#givenFrames = 0;
    this.#standsStill = false;
  }
}
