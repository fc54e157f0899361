import type { Direction, ProtocolError } from '@kvm-audio/client';

/** No socket, or nobody behind it. A connection that broke has other codes: somebody was there. */
const nobodyThere: ReadonlySet<unknown> = new Set(['ENOENT', 'ENOTDIR', 'ECONNREFUSED']);

function isNobody({ code, data }: ProtocolError): boolean {
  return code === 'CONNECTION_CLOSED' && nobodyThere.has(data?.code);
}

/** What no time mends, or only somebody else's leaving. */
function isHopeless({ code, retryable }: ProtocolError): boolean {
  return !retryable || code === 'AUDIO_ALREADY_RUNNING';
}

/**
 * For how long a bridge tries. A side that was connected once is tried for ever, whatever it is
 * told. Before that a refusal that time does not mend ends it at once; and that nobody answers, on
 * either side, ends it after the time that it was told to wait for a daemon.
 */
export class BridgePatience {
  readonly #giveUp: (error: ProtocolError) => void;
  readonly #wereUp = new Set<Direction>();
  #somebodyAnswered = false;
  #nobody: ProtocolError | undefined;
  #waitIsOver: boolean;
  readonly #timer: NodeJS.Timeout | undefined;

  /** @param giveUp is called once, with the reason. */
  constructor(waitSeconds: number, giveUp: (error: ProtocolError) => void) {
    this.#giveUp = giveUp;
    this.#waitIsOver = waitSeconds === 0;
    if (!this.#waitIsOver) this.#timer = setTimeout(() => this.#onWaitOver(), 1000 * waitSeconds);
  }

  connected(side: Direction): void {
    this.#wereUp.add(side);
    this.#onAnswer();
  }

  /** @returns whether it is tried again; where not, `giveUp` was called. */
  goesOn(side: Direction, error: ProtocolError | undefined): boolean {
    if (!error || this.#wereUp.has(side)) return true;
    if (isNobody(error)) {
      this.#nobody = error;
      if (!this.#waitIsOver || this.#somebodyAnswered) return true;
    } else {
      this.#onAnswer();
      if (!isHopeless(error)) return true;
    }
    this.#giveUp(error);
    return false;
  }

  /** The bridge is closed. Idempotent. */
  end(): void {
    clearTimeout(this.#timer);
  }

  #onAnswer(): void {
    this.#somebodyAnswered = true;
    this.end();
  }

  #onWaitOver(): void {
    this.#waitIsOver = true;
    if (this.#nobody) this.#giveUp(this.#nobody);
  }
}
