import { type Direction, directions } from '@kvm-audio/protocol';

export type RoundsOptions = {
  /** Whether figures of it are to come, be it the first. */
  isExpected(direction: Direction): boolean;
  /** What is done once a round. */
  work(): void;
  /** A round that no figures made for so long is made by a timer. */
  lateMs: number;
};

/**
 * When all is looked at that needs it now and then: in the wake-up that the last of the pipelines'
 * figures makes. A process that sleeps wakes with cold caches, so that a timer of its own for each
 * look would cost more than what most of them are for.
 */
export class Rounds {
  readonly #options: RoundsOptions;
  /** Those that have told their figures since the last round. */
  readonly #told = new Set<Direction>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: RoundsOptions) {
    this.#options = options;
  }

  /** Makes the first round. */
  start(): void {
    this.#timer = setTimeout(() => this.#make(), this.#options.lateMs);
    this.#make();
  }

  /** A pipeline has told its figures by itself. */
  heard(direction: Direction): void {
    if (!this.#timer) return;
    this.#told.add(direction);
    const { isExpected } = this.#options;
    if (directions.every((each) => this.#told.has(each) || !isExpected(each))) this.#make();
  }

  /** Idempotent. No round is made afterwards. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #make(): void {
    this.#told.clear();
    this.#timer?.refresh();
    this.#options.work();
  }
}
