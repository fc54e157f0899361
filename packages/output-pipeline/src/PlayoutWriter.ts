import { correctionPpmMax } from './DriftController.js';
import type { PcmSink, PcmSlot } from './PcmSink.js';
import { RateMatcher, type VariableResampler } from './RateMatcher.js';
import { addedFramesMax, type PlayedLine, Splicer } from './Splicer.js';

/**
 * The last steps before the ring: pieces made longer or shorter by a splice, and the pace of the
 * whole. A piece is made straight in a slot of the ring; only while the pace is not the card's own
 * it is made here, and what the resampler makes of it goes into the ring.
 */
export class PlayoutWriter {
  readonly #sink: PcmSink;
  readonly #resampler: VariableResampler;
  readonly #splicer: Splicer;
  readonly #matcher: RateMatcher;
  readonly #framesMax: number;
  readonly #channels: number;
  /** Where a piece is made for the resampler. */
  readonly #piece: PcmSlot;
  /** What a splice makes, which may be longer than a piece. */
  readonly #spliced: Int16Array;
  #committedFrames = 0;
  #isBroken = false;
  readonly #onRingFull: () => void;

  /**
   * @param framesMax the longest piece.
   * @param onRingFull what the resampler has made finds no room, and is lost.
   */
  constructor(
    sink: PcmSink,
    resampler: VariableResampler,
    channels: number,
    framesMax: number,
    onRingFull: () => void,
  ) {
    this.#sink = sink;
    this.#resampler = resampler;
    this.#onRingFull = onRingFull;
    this.#splicer = new Splicer(channels, framesMax);
    this.#matcher = new RateMatcher(resampler, channels, framesMax);
    this.#framesMax = framesMax;
    this.#channels = channels;
    this.#piece = { pcm: new Int16Array(framesMax * channels), offsetFrames: 0, frames: 0 };
    this.#spliced = new Int16Array((framesMax + addedFramesMax) * channels);
  }

  /** Given to the writer and not in the ring yet: the resampler's delay, while it is in the way. */
  get heldFrames(): number {
    return this.#matcher.heldFrames;
  }

  /** The pace is not, or not alone, that of the card: audio is resampled. */
  get isResampling(): boolean {
    return this.#matcher.isOn;
  }

  /** What is next goes the way that was gone last, past the resampler or through it, and joins. */
  get isSettled(): boolean {
    return this.#matcher.isSettled && !this.#isBroken;
  }

  /** For who gives out in this object's place. */
  get played(): PlayedLine {
    return this.#splicer;
  }

  /** By this a fast path resamples; undefined where audio goes past the resampler, or none can. */
  get resamplerRole(): object | undefined {
    return this.#matcher.isOn ? this.#resampler.role : undefined;
  }

  /**
   * The card's own pitch control does what it can, as that costs nothing; the resampler the rest.
   *
   * @param ppm positive plays faster; 0 = at the card's own pace.
   */
  steer(ppm: number): void {
    const left = this.#sink.steer?.(ppm) ?? ppm;
    // A control that stands the other way and refuses leaves more than was asked for.
    this.#matcher.steer(Math.max(-correctionPpmMax, Math.min(correctionPpmMax, left)));
  }

  /** What was played says nothing about what comes, which may be from the middle of a sound. */
  forget(): void {
    this.#splicer.forget();
    this.#isBroken = true;
    this.#sink.steer?.(0);
    this.#matcher.reset();
  }

  /** What was given out last has died away: nothing of it goes on, nor what the resampler holds. */
  noteFaded(): void {
    this.#splicer.forget();
    this.#matcher.reset();
  }

  /** Silence, with what was given out last dying away in it. */
  fadeOut(pcm: Int16Array, frames: number): void {
    this.#splicer.fadeOut(pcm, frames);
  }

  /** What comes next has nothing to do with what was given out last: they are cross-faded. */
  breakOff(): void {
    this.#isBroken = true;
  }

  #join({ pcm, offsetFrames, frames }: PcmSlot): void {
    if (this.#isBroken) this.#splicer.join(pcm, offsetFrames, frames);
    this.#isBroken = false;
  }

  /** Where the next piece is to be made; nothing while the ring is full. */
  acquire(): PcmSlot | undefined {
    const slot = this.#sink.acquire();
    return slot && this.#matcher.isOn ? this.#piece : slot;
  }

  /** @param slot as acquire() gave it. @returns the frames that went into the ring. */
  commit(slot: PcmSlot): number {
    if (slot.frames === 0) return 0;
    this.#join(slot);
    this.#committedFrames = 0;
    if (slot === this.#piece) this.#match(slot);
    else {
      this.#sink.commit(slot);
      this.#committedFrames = slot.frames;
    }
    this.#splicer.remember(slot.pcm, slot.offsetFrames, slot.frames);
    return this.#committedFrames;
  }

  /**
   * Gives out the piece with about `changeFrames` more, or fewer where it is negative.
   *
   * @returns the frames that were added in fact, and those that went into the ring.
   */
  splice(slot: PcmSlot, changeFrames: number): { added: number; committed: number } {
    const splicer = this.#splicer;
    this.#join(slot);
    const added = splicer.select(slot.pcm, slot.offsetFrames, slot.frames, changeFrames);
    const { frames } = splicer;
    splicer.write(this.#spliced);
    let committed = 0;
    let next: PcmSlot | undefined = slot;
    for (let from = 0; from < frames && next; from += this.#framesMax) {
      committed += this.#commitSpliced(next, from, Math.min(frames - from, this.#framesMax));
      next = this.acquire();
    }
    return { added, committed };
  }

  #commitSpliced(slot: PcmSlot, fromFrame: number, frames: number): number {
    const from = fromFrame * this.#channels;
    slot.pcm.set(this.#spliced.subarray(from, from + frames * this.#channels));
    slot.offsetFrames = 0;
    slot.frames = frames;
    return this.commit(slot);
  }

  #match({ pcm, offsetFrames, frames }: PcmSlot): void {
    const from = offsetFrames * this.#channels;
    const piece = from === 0 ? pcm : pcm.subarray(from);
    this.#matcher.pass(piece, frames, this.#recall, this.#give);
  }

  readonly #recall = (out: Int16Array): void => this.#splicer.recall(out);

  readonly #give = (made: Int16Array, fromFrame: number, frames: number): void => {
    const channels = this.#channels;
    for (let given = 0; given < frames; ) {
      const slot = this.#sink.acquire();
      if (!slot) {
        this.#onRingFull();
        return;
      }
      const count = Math.min(frames - given, this.#framesMax);
      const start = (fromFrame + given) * channels;
      slot.pcm.set(made.subarray(start, start + count * channels));
      slot.offsetFrames = 0;
      slot.frames = count;
      this.#sink.commit(slot);
      this.#committedFrames += count;
      given += count;
    }
  };
}
