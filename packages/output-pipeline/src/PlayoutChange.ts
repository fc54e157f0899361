import type { PlayerCounters } from './PlayerParts.js';
import { changeFramesMin } from './Splicer.js';

/** By what the sound is to be made later, or sooner, until that is done. */
export class PlayoutChange {
  readonly #counters: PlayerCounters;
  /** Frames that are still to be added, negative: to be cut out. */
  frames = 0;

  constructor(counters: PlayerCounters) {
    this.#counters = counters;
  }

  /** So much was added, or cut out where it is negative. */
  noteAdded(frames: number): void {
    this.#counters.insertedFrames += Math.max(0, frames);
    this.#counters.trimmedFrames += Math.max(0, -frames);
    this.#carryOut(frames);
  }

  /** The stream's time was put back by so much, of which so much had been made up, and stays. */
  notePutBack(frames: number, madeUpFrames: number): void {
    this.#counters.insertedFrames += Math.min(frames, madeUpFrames);
    this.#carryOut(frames);
  }

  #carryOut(frames: number): void {
    const left = this.frames - frames;
    const enough = Math.abs(left) < changeFramesMin || left > 0 !== this.frames > 0;
    this.frames = enough ? 0 : left;
  }
}
