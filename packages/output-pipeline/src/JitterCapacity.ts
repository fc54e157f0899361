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

  constructor(jitter: JitterBuffer, target: PlayoutTarget) {
    this.#jitter = jitter;
    this.#target = target;
  }

  /** @returns how many of the oldest packets were too many. */
  set(frames: number, frameMs: number): number {
    this.#frames = frames;
    if ((frames - 1) * frameMs * framesPerMs < this.#target.goalFrames) this.#targetWins += 1;
    return this.#jitter.resize(frames, this.#target);
  }

  report(frameMs: number): QueueCapacity {
    return {
      frames: this.#frames,
      ms: this.#jitter.capacityFrames(frameMs * framesPerMs) / framesPerMs,
      targetWins: this.#targetWins,
    };
  }
}
