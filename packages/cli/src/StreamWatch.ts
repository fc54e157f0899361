import {
  type DaemonStatus,
  type Direction,
  directions,
  ProtocolError,
  type StreamState,
} from '@kvm-audio/client';

/** Who hears nothing wants to know why in some seconds; feedback comes each 2.5 s. */
const lookMs = 3_000;

export type AskStatus = (signal: AbortSignal) => Promise<Pick<DaemonStatus, Direction>>;
export type StreamNote = (side: Direction, state: StreamState, reason: string | null) => void;

/**
 * Tells what the daemon's two streams do, to a bridge between them, until it is closed. While both
 * run it does not ask, as answers cost the daemon CPU: the output's feedback, of which there is none
 * without sound from the input, shows that its card plays. That the daemon does not answer is not
 * told: who carries sound hears of that first. A refusal ends the asking.
 */
export class StreamWatch {
  readonly #askStatus: AskStatus;
  readonly #note: StreamNote;
  readonly #end = new AbortController();
  readonly #timer = setInterval(() => this.#look(), lookMs);
  #delayMs: number | undefined;
  #isPlaying = false;
  #bothRan = false;
  #isAsking = false;

  constructor(askStatus: AskStatus, note: StreamNote) {
    this.#askStatus = askStatus;
    this.#note = note;
    this.#look();
  }

  /** The output's feedback. Of a card that plays hardly two delays in a row are the same. */
  noteDelay(delayMs: number): void {
    this.#isPlaying ||= delayMs !== this.#delayMs;
    this.#delayMs = delayMs;
  }

  /** Idempotent. */
  close(): void {
    clearInterval(this.#timer);
    this.#end.abort();
  }

  #look(): void {
    const isWell = this.#isPlaying && this.#bothRan;
    this.#isPlaying = false;
    if (!isWell && !this.#isAsking) void this.#ask();
  }

  async #ask(): Promise<void> {
    const { signal } = this.#end;
    this.#isAsking = true;
    this.#bothRan = false;
    try {
      const status = await this.#askStatus(signal);
      if (signal.aborted) return;
      for (const side of directions) {
        const { stream } = status[side];
        if (stream) this.#note(side, stream.state, stream.reason);
      }
      this.#bothRan = directions.every((side) => status[side].stream?.state === 'running');
    } catch (error) {
      // Refused once, refused always.
      if (error instanceof ProtocolError && !error.retryable) this.close();
    } finally {
      this.#isAsking = false;
    }
  }
}
