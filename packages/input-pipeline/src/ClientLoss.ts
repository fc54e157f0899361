import type { Log } from '@kvm-audio/daemon';
import type { PacketSender } from '@kvm-audio/protocol';

/** A client that loses packets now and then is told of no more often than this. */
export const lossMsMin = 10_000;

/**
 * Tells the log of a client that loses packets, as it is too slow: once when that begins, and once
 * when it keeps up again. Looked at now and then, never at a packet. What is lost while nothing
 * may be told is told of, and counted, with the next.
 */
export class ClientLoss {
  readonly #client: string;
  readonly #sender: Pick<PacketSender, 'dropped' | 'queuedMs'>;
  /** Lost at the last look. */
  #seen = 0;
  /** Of these, what the log knows. */
  #told = 0;
  #isLosing = false;
  #quietUntilMs = Number.NEGATIVE_INFINITY;

  constructor(client: string, sender: Pick<PacketSender, 'dropped' | 'queuedMs'>) {
    this.#client = client;
    this.#sender = sender;
  }

  look(log: Log, nowMs: number): void {
    const { dropped, queuedMs } = this.#sender;
    const client = this.#client;
    const keepsUp = dropped === this.#seen && queuedMs === 0;
    this.#seen = dropped;
    if (this.#isLosing && keepsUp) {
      this.#isLosing = false;
      log.info({ client, lost: dropped - this.#told }, 'listener keeps up again');
      this.#told = dropped;
    } else if (!this.#isLosing && dropped > this.#told && nowMs >= this.#quietUntilMs) {
      this.#isLosing = true;
      this.#quietUntilMs = nowMs + lossMsMin;
      log.warn({ client }, 'listener is too slow: it loses packets');
    }
  }
}
