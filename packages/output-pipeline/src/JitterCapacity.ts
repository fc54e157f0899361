import type { JitterBuffer } from '@kvm-audio/audio';
import { mediaRate, type QueueCapacity } from '@kvm-audio/protocol';
import type { PlayoutTarget } from './PlayoutTarget.js';

const framesPerMs = mediaRate / 1000;

/** How much may wait as packets: as the supervisor sets it, but never less than the target needs. */
export class JitterCapacity {
  readonly #jitter: JitterBuffer;
  readonly #target: PlayoutTarget;
  #frames: number | null = null;
  #targetWins = 0;
  #targetWinsNow = false;

  constructor(jitter: JitterBuffer, target: PlayoutTarget) {
    this.#jitter = jitter;
    this.#target = target;
  }

  /** @returns how many of the oldest packets were too many. */
  set(frames: number, frameMs: number): number {
    this.#frames = frames;
    this.#targetWinsNow = false;
    this.#lookWhoWins(frameMs);
    return this.#jitter.resize(frames, this.#target);
  }

  /** The target may have grown over the size, or the frames have become shorter, since then. */
  #lookWhoWins(frameMs: number): void {
    if (this.#frames === null) return;
    const wins = (this.#frames - 1) * frameMs * framesPerMs < this.#target.goalFrames;
    if (wins && !this.#targetWinsNow) this.#targetWins += 1;
    this.#targetWinsNow = wins;
  }

  report(frameMs: number): QueueCapacity {
    this.#lookWhoWins(frameMs);
    return {
      frames: this.#frames,
      ms: this.#jitter.capacityFrames(frameMs * framesPerMs) / framesPerMs,
      targetWins: this.#targetWins,
    };
  }
}
