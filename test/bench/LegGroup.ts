import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Barrier } from './Barrier.js';
import { makeTrack } from './playTrack.js';

/** After the measured time, for the last look at the counters; the players are stopped then. */
const spareSeconds = 10;

/** What legs share that are measured at the same time: their files and where they meet. */
export class LegGroup extends Barrier {
  /** From the start of the sound until all are as they stay. */
  readonly warmUpSeconds: number;
  readonly seconds: number;
  /** In memory: on a disk they would stall with the disk. */
  readonly #folder = mkdtempSync('/dev/shm/kvma-');
  #track: string | undefined;
  #recordings = 0;

  constructor(legs: number, warmUpSeconds: number, seconds: number) {
    super(legs);
    this.warmUpSeconds = warmUpSeconds;
    this.seconds = seconds;
  }

  /** What is played to each. */
  get track(): string {
    this.#track ??= makeTrack(this.#folder, this.warmUpSeconds + this.seconds + spareSeconds);
    return this.#track;
  }

  /** A file for what is heard of a leg. */
  newRecording(): string {
    this.#recordings += 1;
    return join(this.#folder, `heard-${this.#recordings}.raw`);
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
