import { LatencyHistogram, type PacketSlot } from '@kvm-audio/audio';
import { type LatencySummary, mediaRate, type StageLatencies } from '@kvm-audio/protocol';
import { column, UnheardLatencies } from './UnheardLatencies.js';

export type DecodedPacket = Pick<PacketSlot, 'captureTimeUs' | 'arrivalUs' | 'frames'>;

/** Where playing stood when a packet was decoded. Frames are those at `lookUs`. */
export type DecodedAt = {
  lookUs: number;
  startUs: number;
  endUs: number;
  /** Unplayed before the packet's first sample: `ringFrames` and what the device has. */
  queuedFrames: number;
  ringFrames: number;
  /** What the card holds beyond its buffer. */
  beyondFrames: number;
  /** Cut off at the packet's start. */
  trimFrames: number;
  /** The encoder's look-ahead, and a resampler's delay: heard, and seen by no clock. */
  lookaheadFrames: number;
};

/** So many of all packets may find more of the margin used. */
const rarely = 0.005;
const framesPerMs = mediaRate / 1000;
const usPerMs = 1000;
const windowMs = 10_000;
/** What of the margin is spare is asked for soon after it has become so. */
const marginWindowMs = 5_000;
/** Decoding takes fractions of a millisecond. */
const decodeWidthMs = 0.01;

/**
 * How long the sound of each packet was on its way, stage by stage. The stages follow each other
 * without gap or overlap: with the frame itself and the encoder's look-ahead they are the whole
 * way, from the capture of a sample to the moment that it leaves the card.
 */
export class PlayoutLatency {
  /** Where playing stands: to be filled in before each `add`. */
  readonly at: DecodedAt = {
    lookUs: 0,
    startUs: 0,
    endUs: 0,
    queuedFrames: 0,
    ringFrames: 0,
    beyondFrames: 0,
    trimFrames: 0,
    lookaheadFrames: 0,
  };
  readonly #transit: LatencyHistogram;
  readonly #queue: LatencyHistogram;
  readonly #decode: LatencyHistogram;
  readonly #device: LatencyHistogram;
  readonly #endToEnd: LatencyHistogram;
  readonly #margin: LatencyHistogram;
  readonly #unheard = new UnheardLatencies();
  #from: LatencySummary['from'] = 'arrival';

  constructor(nowMs: number) {
    this.#transit = new LatencyHistogram(windowMs, nowMs);
    this.#queue = new LatencyHistogram(windowMs, nowMs);
    this.#decode = new LatencyHistogram(windowMs, nowMs, decodeWidthMs);
    this.#device = new LatencyHistogram(windowMs, nowMs);
    this.#endToEnd = new LatencyHistogram(windowMs, nowMs);
    this.#margin = new LatencyHistogram(marginWindowMs, nowMs);
  }

  /** For each packet that was decoded; it counts when it has been heard. Allocates nothing. */
  add({ captureTimeUs, arrivalUs, frames }: DecodedPacket): void {
    const { at } = this;
    const { lookUs, startUs, endUs } = at;
    for (let more = true; more; ) more = this.#countHeard(at.queuedFrames);
    const heardFrames = frames - at.trimFrames;
    if (heardFrames <= 0) return;
    if (this.#unheard.isFull) this.#countHeard(0);
    const row = this.#unheard.add(heardFrames);
    const { values } = this.#unheard;
    values[row + column.atMs] = endUs / usPerMs;
    const transitUs = captureTimeUs === undefined ? Number.NaN : arrivalUs - captureTimeUs;
    values[row + column.transitMs] = transitUs / usPerMs - frames / framesPerMs;
    const ringMs = at.ringFrames / framesPerMs;
    values[row + column.queueMs] = (startUs - arrivalUs) / usPerMs + ringMs;
    values[row + column.decodeMs] = (endUs - startUs) / usPerMs;
    const deviceFrames = at.queuedFrames - at.ringFrames + at.beyondFrames;
    values[row + column.deviceMs] = deviceFrames / framesPerMs - (endUs - lookUs) / usPerMs;
    const ahead = at.queuedFrames + at.beyondFrames - at.trimFrames + at.lookaheadFrames;
    const sinceUs = lookUs - (captureTimeUs ?? arrivalUs);
    values[row + column.endToEndMs] = sinceUs / usPerMs + ahead / framesPerMs;
  }

  /** What is unplayed is played to its end, or thrown away. */
  noteEnd(isHeard: boolean): void {
    for (let more = isHeard; more; ) more = this.#countHeard(0);
    this.#unheard.clear();
  }

  /** @returns whether it was one. */
  #countHeard(unplayedFrames: number): boolean {
    const row = this.#unheard.takeHeard(unplayedFrames);
    if (row < 0) return false;
    const { values } = this.#unheard;
    const nowMs = values[row + column.atMs] ?? 0;
    const transitMs = values[row + column.transitMs] ?? 0;
    if (Number.isNaN(transitMs) !== (this.#from === 'arrival')) this.#changeFrom();
    if (this.#from === 'capture') this.#transit.add(transitMs, nowMs);
    this.#queue.add(values[row + column.queueMs] ?? 0, nowMs);
    this.#decode.add(values[row + column.decodeMs] ?? 0, nowMs);
    this.#device.add(values[row + column.deviceMs] ?? 0, nowMs);
    this.#endToEnd.add(values[row + column.endToEndMs] ?? 0, nowMs);
    return true;
  }

  /** What was unplayed when a packet came that was next in order; negative where it came late. */
  addMargin(frames: number, nowMs: number): void {
    this.#margin.add(frames / framesPerMs, nowMs);
  }

  /** What hardly a packet found less than, in milliseconds. */
  leastMarginMs(nowMs: number): number {
    return this.#margin.quantileMs(rarely, nowMs);
  }

  /** The margin is another one from now on. */
  forgetMargin(): void {
    this.#margin.forget();
  }

  endToEnd(nowMs: number): LatencySummary {
    return this.#endToEnd.summary(this.#from, nowMs);
  }

  /** Without `transit` where no packet says when it was captured. */
  stages(nowMs: number): StageLatencies {
    const queue = this.#queue.figures(nowMs);
    const decode = this.#decode.figures(nowMs);
    const device = this.#device.figures(nowMs);
    if (this.#from === 'arrival') return { queue, decode, device };
    return { transit: this.#transit.figures(nowMs), queue, decode, device };
  }

  #changeFrom(): void {
    this.#from = this.#from === 'capture' ? 'arrival' : 'capture';
    this.#transit.forget();
    this.#endToEnd.forget();
  }
}
