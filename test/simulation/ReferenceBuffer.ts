import { mediaRate } from '@kvm-audio/protocol';
import { DelayStatistics } from './DelayStatistics.js';
import type { Arrival } from './Trace.js';

const frameMs = 20;
/** The earliest of so many is punctual: 2 s. */
const basePackets = 100;

/** How long a packet waits, by how late packets are. */
export interface DelayRule {
  readonly delayMs: number;
  /** A late packet is waited for: the stream is later from then on, until it is hurried. */
  readonly waits: boolean;
  /** @param lateMs how much later than a punctual packet it came */
  observe(lateMs: number, nowMs: number): void;
}

/** For each packet of the trace: when it was to be heard, and whether it was there. */
export class ReferenceBuffer {
  readonly delays = new DelayStatistics();
  skips = 0;
  #concealedMs = 0;
  #playMs: number | undefined;
  #lateSinceMs: number | undefined;
  #nextMedia = 0;
  #heardSeconds = 0;
  readonly #rule: DelayRule;
  readonly #cardFrameMs: number;
  readonly #transitsMs: number[] = [];

  constructor(rule: DelayRule, cardSkewPpm: number) {
    this.#rule = rule;
    this.#cardFrameMs = frameMs / (1 + cardSkewPpm / 1e6);
  }

  get concealedPercent(): number {
    return this.#concealedMs / 10 / this.#heardSeconds;
  }

  run(arrivals: Iterable<Arrival>, seconds: number, loopLateMs: () => number): this {
    this.#heardSeconds = seconds;
    for (const { atUs, packet } of arrivals) {
      const atMs = atUs / 1000 + loopLateMs();
      const capturedMs = new DataView(packet.payload.buffer, packet.payload.byteOffset).getFloat64(
        9,
      );
      this.#take(packet.mediaTime, atMs, capturedMs / 1000);
    }
    return this;
  }

  #take(mediaTime: number, atMs: number, capturedMs: number): void {
    const mediaMs = (mediaTime * 1000) / mediaRate;
    const lateMs = this.#lateness(atMs - mediaMs);
    this.#rule.observe(lateMs, atMs);
    const { delayMs } = this.#rule;
    this.#playMs ??= atMs + delayMs;
    const lost = Math.round((mediaTime - this.#nextMedia) / (mediaRate / 1000) / frameMs);
    if (lost < 0) return;
    this.#concealedMs += lost * frameMs;
    this.#playMs += lost * this.#cardFrameMs;
    this.#nextMedia = mediaTime + (mediaRate / 1000) * frameMs;
    this.#steer(atMs - lateMs + delayMs);
    const missed = atMs - this.#playMs;
    if (missed > 0) this.#miss(missed, atMs, delayMs);
    if (missed <= 0 || this.#rule.waits) this.delays.add(this.#playMs + frameMs - capturedMs);
    if (missed <= 0) this.#lateSinceMs = undefined;
    this.#playMs += this.#cardFrameMs;
  }

  /** Waiting moves the stream; who does not wait moves it when all were late for 100 ms. */
  #miss(missedMs: number, atMs: number, delayMs: number): void {
    if (this.#rule.waits) {
      this.#concealedMs += missedMs;
      this.#playMs = atMs;
      return;
    }
    this.#concealedMs += frameMs;
    this.#lateSinceMs ??= atMs;
    if (atMs - this.#lateSinceMs < 100) return;
    this.#playMs = atMs + delayMs;
    this.#lateSinceMs = undefined;
    this.skips += 1;
  }

  /** Time is stretched by a quarter of a frame where the delay is off by more than a frame. */
  #steer(wantedMs: number): void {
    const offMs = (this.#playMs ?? wantedMs) - wantedMs;
    if (Math.abs(offMs) <= frameMs) return;
    this.#playMs = (this.#playMs ?? wantedMs) - (Math.sign(offMs) * frameMs) / 4;
    this.skips += 1;
  }

  #lateness(transitMs: number): number {
    const transits = this.#transitsMs;
    transits.push(transitMs);
    if (transits.length > basePackets) transits.shift();
    return transitMs - Math.min(...transits);
  }
}

/** The same delay always. */
export class FixedDelay implements DelayRule {
  readonly waits = false;
  readonly delayMs: number;

  constructor(delayMs: number) {
    this.delayMs = delayMs;
  }

  observe(): void {}
}

const bucketMs = 20;
const intervalMs = 500;
const forget = 0.983;

/**
 * As NetEq of WebRTC does it in its main lines: the greatest lateness of each half second goes into
 * a histogram of 20 ms buckets that forgets; the delay is its 0.95 quantile.
 */
export class QuantileDelay implements DelayRule {
  readonly waits = true;
  delayMs = 80;
  readonly #quantile: number;
  readonly #shares = new Float64Array(100);
  #intervalEndMs = 0;
  #latestMs = 0;
  #samples = 0;

  constructor(quantile: number) {
    this.#quantile = quantile;
  }

  observe(lateMs: number, nowMs: number): void {
    this.#latestMs = Math.max(this.#latestMs, lateMs);
    if (this.#intervalEndMs === 0) this.#intervalEndMs = nowMs + intervalMs;
    if (nowMs < this.#intervalEndMs) return;
    this.#intervalEndMs = nowMs + intervalMs;
    this.#samples += 1;
    // The first samples weigh more, so that it learns quickly.
    const kept = Math.min(forget, 1 - 2 / (this.#samples + 1));
    const at = Math.min(this.#shares.length - 1, Math.floor(this.#latestMs / bucketMs));
    for (let i = 0; i < this.#shares.length; i++) {
      this.#shares[i] = Math.max(0, kept) * (this.#shares[i] ?? 0);
    }
    this.#shares[at] = (this.#shares[at] ?? 0) + 1 - Math.max(0, kept);
    this.#latestMs = 0;
    let sum = 0;
    let bucket = -1;
    while (sum < this.#quantile && bucket < this.#shares.length - 1) {
      bucket += 1;
      sum += this.#shares[bucket] ?? 0;
    }
    this.delayMs = (bucket + 1) * bucketMs;
  }
}
