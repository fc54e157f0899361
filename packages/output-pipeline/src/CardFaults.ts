import type { Log } from '@kvm-audio/daemon';
import type { PlaybackCounters } from '@kvm-audio/native-alsa/alsa';

type Faults = { underruns: number; xruns: number };

/** What went wrong at the card, in all of its openings. An underrun is told to the log, with its time. */
export class CardFaults {
  readonly #log: Log;
  /** Of the openings that have ended. */
  #before: Faults = { underruns: 0, xruns: 0 };
  /** Underruns that the log knows. */
  #told = 0;

  constructor(log: Log) {
    this.#log = log;
  }

  /** @param card as it is open now; undefined where it is not. */
  look(card: PlaybackCounters | undefined): Faults {
    if (!card) return this.#before;
    const underruns = this.#before.underruns + card.underruns;
    const more = underruns - this.#told;
    this.#told = underruns;
    if (more > 0) this.#log.debug({ underruns: more, lastAtUs: card.underrunUs }, 'ran dry');
    return { underruns, xruns: this.#before.xruns + card.xruns };
  }

  /** It is about to be closed. */
  end(card: PlaybackCounters): void {
    this.#before = this.look(card);
  }
}
