import { LatencyHistogram } from '@kvm-audio/audio';
import { type LatencySummary, mediaRate, type StageLatencies } from '@kvm-audio/protocol';

const windowMs = 10_000;
/** What is done here takes fractions of a millisecond. */
const widthMs = 0.01;
const usPerFrame = 1e6 / mediaRate;

/**
 * How long the sound of each frame was on its way through this process, stage by stage: with the
 * frame itself that is the time from its first sample until the sockets have it.
 */
export class CaptureLatency {
  readonly #captureWait: LatencyHistogram;
  readonly #card: LatencyHistogram;
  readonly #encode: LatencyHistogram;
  readonly #ipc: LatencyHistogram;
  readonly #endToEnd: LatencyHistogram;

  constructor(nowMs: number) {
    this.#captureWait = new LatencyHistogram(windowMs, nowMs, widthMs);
    this.#card = new LatencyHistogram(windowMs, nowMs, widthMs);
    this.#encode = new LatencyHistogram(windowMs, nowMs, widthMs);
    this.#ipc = new LatencyHistogram(windowMs, nowMs, widthMs);
    this.#endToEnd = new LatencyHistogram(windowMs, nowMs);
  }

  /**
   * For each frame that was encoded and sent, with the times of each step in microseconds of
   * CLOCK_MONOTONIC. Allocates nothing.
   */
  add(captureUs: number, frames: number, startUs: number, encodedUs: number, sentUs: number): void {
    const nowMs = sentUs / 1000;
    this.#captureWait.add((startUs - captureUs - frames * usPerFrame) / 1000, nowMs);
    this.#encode.add((encodedUs - startUs) / 1000, nowMs);
    this.#ipc.add((sentUs - encodedUs) / 1000, nowMs);
    this.#endToEnd.add((sentUs - captureUs) / 1000, nowMs);
  }

  /** The card gave the last sample of a frame so late: a part of `capture_wait`. */
  addCard(lateUs: number, nowMs: number): void {
    this.#card.add(lateUs / 1000, nowMs);
  }

  /** What a card keeps to itself before it gives it. */
  cardMs(nowMs: number): number {
    return this.#card.figures(nowMs).meanMs;
  }

  /** A packet was sent that had waited for its client. */
  addWaited(waitedMs: number, nowMs: number): void {
    this.#ipc.add(waitedMs, nowMs);
  }

  endToEnd(nowMs: number): LatencySummary {
    return this.#endToEnd.summary('capture', nowMs);
  }

  stages(nowMs: number): StageLatencies {
    return {
      capture_wait: this.#captureWait.figures(nowMs),
      encode: this.#encode.figures(nowMs),
      ipc: this.#ipc.figures(nowMs),
    };
  }
}
