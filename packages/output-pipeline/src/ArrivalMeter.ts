import { mediaRate, packetFlags, type ReceivedPacket } from '@kvm-audio/protocol';

const usPerSample = 1e6 / mediaRate;
/** RFC 3550 §6.4.1: the gain of its estimate. */
const jitterGain = 1 / 16;
/** What `source.feedback` can say; a source with a senseless clock has more. */
const jitterMsMax = 60_000;
/** A step of the sequence number beyond this is a new count, not a loss. */
const seqStepMax = 1_000;

/** How the packets of one source arrive: the share that is lost, and the jitter of the rest. */
export class ArrivalMeter {
  #newestSeq: number | undefined;
  #expected = 0;
  #received = 0;
  #transitUs: number | undefined;
  #jitterUs = 0;

  onPacket({ seq, mediaTime, flags }: ReceivedPacket, nowUs: number): void {
    this.#count(seq);
    const transitUs = nowUs - mediaTime * usPerSample;
    // Behind a discontinuity media time and the clock have parted.
    const before = flags & packetFlags.discontinuity ? undefined : this.#transitUs;
    this.#transitUs = transitUs;
    if (before === undefined) return;
    this.#jitterUs += (Math.abs(transitUs - before) - this.#jitterUs) * jitterGain;
  }

  /**
   * Since the last call.
   * @param late packets that came, but too late to be heard.
   */
  take(late: number): { lossPercent: number; jitterMs: number } {
    const lost = Math.min(Math.max(this.#expected - this.#received + late, 0), this.#expected);
    const lossPercent = this.#expected === 0 ? 0 : (100 * lost) / this.#expected;
    this.#expected = 0;
    this.#received = 0;
    return { lossPercent, jitterMs: Math.min(this.#jitterUs / 1000, jitterMsMax) };
  }

  /** Sequence numbers are u32 and wrap. */
  #count(seq: number): void {
    const step = this.#newestSeq === undefined ? 1 : (seq - this.#newestSeq) | 0;
    // A copy, or one that others have overtaken: it was expected already, or counts for nothing.
    if (step <= 0 && step > -seqStepMax) {
      if (step < 0) this.#received += 1;
      return;
    }
    this.#newestSeq = seq;
    this.#expected += step > 0 && step <= seqStepMax ? step : 1;
    this.#received += 1;
  }
}
