import type { Log } from './LogRecord.js';
import { type CardStamp, RateWatch } from './RateWatch.js';

/** The rate at which a card is opened: as it says, until it is found to run at another. */
export class CardRate {
  readonly #watch = new RateWatch();
  readonly #log: Log;
  readonly #reopen: () => void;
  #measured: number | undefined;

  /** @param reopen closes the card, and opens it anew at `measured`. */
  constructor(log: Log, reopen: () => void) {
    this.#log = log;
    this.#reopen = reopen;
  }

  /** In Hz; undefined while the card is believed. */
  get measured(): number | undefined {
    return this.#measured;
  }

  /** A card that comes back may be another one. */
  forget(): void {
    this.#measured = undefined;
  }

  /** @param rate Hz that the card says. */
  onOpened(rate: number): void {
    this.#watch.onOpened(this.#measured ?? rate);
  }

  /** For each frame. Once another rate is believed the card is closed when this returns. */
  onFrame(stamp: CardStamp): void {
    const cardRate = this.#watch.onFrame(stamp);
    if (cardRate === undefined) return;
    this.#log.warn(
      { cardRate },
      'the card runs at another rate than it was opened with: it is opened anew, its sound converted',
    );
    this.#measured = cardRate;
    this.#reopen();
  }
}
