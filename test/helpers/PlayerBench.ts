import {
  FramePool,
  JitterBuffer,
  jitterBufferLimits,
  type OpusDecoder,
  PacketSlot,
  packetFrames,
  packetSlotBytes,
} from '@kvm-audio/audio';
import { Resampler } from '@kvm-audio/native-alsa/alsa';
import { type AudioPacket, mediaRate, noDrops } from '@kvm-audio/protocol';
import { guardFrames } from '../../packages/output-pipeline/src/PlaybackShape.js';
import { Player } from '../../packages/output-pipeline/src/Player.js';
import type { PlayerCounters } from '../../packages/output-pipeline/src/PlayerParts.js';
import { PlayoutLatency } from '../../packages/output-pipeline/src/PlayoutLatency.js';
import { PlayoutTarget } from '../../packages/output-pipeline/src/PlayoutTarget.js';
import { receivedPacket } from './receivedPacket.js';
import { SimulatedCard, silence } from './SimulatedCard.js';

const ms = mediaRate / 1000;
export const targetMs = 10;
const lowWaterMs = 4;
export const lookaheadSamples = 312;
/** A step of the simulation. */
const tickFrames = 24;

/** TOC bytes of CELT packets with one frame (RFC 6716 table 2). */
export const toc: Record<number, number> = { 2.5: 0xe0, 5: 0xe8, 10: 0xf0, 20: 0xf8 };
/** Samples until the clock that is decoded begins anew. */
export const clockSize = 2 ** 14;

/**
 * Samples that say which moment of media time they are: real ones from 0 up, made up ones below 0.
 * A payload is the TOC, then the media time; one of a pause goes on from what was before.
 */
class ClockDecoder implements OpusDecoder {
  readonly channels = 2;
  readonly role = {};
  broken = false;
  /** The sample of a moment. */
  real = (time: number): number => time % clockSize;
  #next = 0;

  decode(packet: Uint8Array, out: Int16Array): number {
    const frames = packetFrames(packet) ?? 0;
    if (this.broken || frames * this.channels > out.length) throw new Error('corrupt or too long');
    const mediaTime = packet.length > 2 ? Buffer.from(packet).readDoubleBE(1) : this.#next;
    this.#write(mediaTime, frames, out, this.real);
    return frames;
  }

  decodeFec(_next: Uint8Array, frames: number, out: Int16Array): number {
    if (this.broken) throw new Error('corrupt');
    return this.conceal(frames, out);
  }

  conceal(frames: number, out: Int16Array): number {
    if (frames % 120 !== 0 || frames * this.channels > out.length) throw new RangeError('frames');
    this.#write(this.#next, frames, out, (time) => -1 - (time % clockSize));
    return frames;
  }

  reset(): void {
    this.#next = 0;
  }

  close(): void {}

  #write(from: number, frames: number, out: Int16Array, sample: (time: number) => number): void {
    for (let i = 0; i < frames; i++) out.fill(sample(from + i), i * 2, i * 2 + 2);
    this.#next = from + frames;
  }
}

/** Nothing dropped, made up, cut or added. */
export const unchanged: PlayerCounters = {
  drops: noDrops(),
  concealedFrames: 0,
  trimmedFrames: 0,
  insertedFrames: 0,
  unheardFrames: 0,
};

export type PlayerArrival = { atMs: number; packet: AudioPacket };

/** The player between a simulated wire and a simulated card. */
export class PlayerBench {
  readonly card: SimulatedCard;
  readonly decoder = new ClockDecoder();
  readonly counters: PlayerCounters = { ...unchanged, drops: noDrops() };
  readonly latency = new PlayoutLatency(0);
  readonly pool = new FramePool(
    'packets',
    { jitterBuffer: jitterBufferLimits.packetsMax, decoding: 1 },
    packetSlotBytes,
    (bytes) => new PacketSlot(bytes),
  );
  readonly jitter = new JitterBuffer(this.pool);
  readonly resampler = new Resampler({ channels: 2, inputRate: mediaRate, outputRate: mediaRate });
  readonly player: Player;
  /** The event loop stands still: arrivals and the card's calls wait. */
  stalled = false;
  /** What was unplayed just before each packet went in. */
  readonly margins: { atMs: number; frames: number }[] = [];
  /** The card's call that waits. */
  protected lowWater = false;
  /** What was due until then was received. */
  #lookedMs = Number.NEGATIVE_INFINITY;

  constructor(framesMax?: number, fixedMs: number | 'auto' = targetMs) {
    this.card = new SimulatedCard({
      ...(framesMax === undefined ? {} : { framesMax }),
      slots: 16,
      slotFramesMax: 60 * ms,
      channels: 2,
      bufferFrames: 100 * ms,
      guardFrames,
      lowWaterFrames: lowWaterMs * ms,
      startSilenceFrames: targetMs * ms,
    });
    this.card.onLowWater = () => {
      this.lowWater = true;
    };
    this.player = new Player(
      {
        sink: this.card,
        decoder: this.decoder,
        resampler: this.resampler,
        jitter: this.jitter,
        latency: this.latency,
        counters: this.counters,
      },
      {
        channels: 2,
        target: new PlayoutTarget({
          fixedMs: fixedMs === 'auto' ? undefined : fixedMs,
          mostMs: 150,
        }),
        guardFrames,
        lookaheadSamples,
        clock: () => this.card.nowUs,
      },
    );
  }

  get nowMs(): number {
    return this.card.nowUs / 1000;
  }

  /** Runs to `untilMs`; arrivals are in order of time. */
  run(arrivals: readonly PlayerArrival[], untilMs: number): void {
    let next = 0;
    let queuedMost = 0;
    while (this.nowMs < untilMs) {
      if (!this.stalled) {
        this.#lookedMs = this.nowMs;
        for (let due = arrivals[next]; due && due.atMs <= this.nowMs; due = arrivals[next]) {
          this.receive(due.packet);
          next += 1;
        }
        this.answerCard();
      }
      this.card.advance(tickFrames);
      queuedMost = Math.max(queuedMost, this.jitter.queuedFrames);
    }
    expect(queuedMost).toBeLessThanOrEqual(jitterBufferLimits.capacityMs * ms);
  }

  /** Runs on to `untilMs` with those of all arrivals that were not due yet. */
  runOn(arrivals: readonly PlayerArrival[], untilMs: number): void {
    const fromMs = this.#lookedMs;
    this.run(
      arrivals.filter(({ atMs }) => atMs > fromMs),
      untilMs,
    );
  }

  protected receive(packet: AudioPacket): void {
    this.#noteMargin(packet.mediaTime);
    this.player.onPacket(receivedPacket(packet), this.card.nowUs);
  }

  protected answerCard(): void {
    if (this.lowWater) this.player.onLowWater(this.card.nowUs);
    this.lowWater = false;
  }

  #noteMargin(mediaTime: number): void {
    const { playTime } = this.jitter;
    if (playTime === undefined) return;
    const frames = this.card.queuedFrames() + mediaTime - playTime;
    this.margins.push({ atMs: this.nowMs, frames });
  }

  /** How far the margin was off the target at most, in milliseconds. */
  marginOffMs(fromMs: number): number {
    const off = this.margins.map(({ atMs, frames }) =>
      atMs < fromMs ? 0 : Math.abs(frames / ms - targetMs),
    );
    return Math.max(...off);
  }

  get drops(): number {
    return Object.values(this.counters.drops).reduce((sum, count) => sum + count, 0);
  }

  /** Distinct delays of the real samples that were heard in [fromMs, toMs), in samples. */
  delays(fromMs: number, toMs: number): number[] {
    const found = new Set<number>();
    const heard = this.card.heard.subarray(fromMs * ms, toMs * ms);
    const goesOn = (i: number): boolean => (heard[i]! + 1) % clockSize === heard[i + 1];
    let run = 0;
    heard.forEach((sample, i) => {
      run = sample >= 0 && goesOn(i) ? run + 1 : 0;
      // Where one sound fades into another there is neither.
      if (run < 8) return;
      const delay = fromMs * ms + i - sample;
      found.add(((delay % clockSize) + clockSize) % clockSize);
    });
    return [...found];
  }

  /** Frames that were heard, by what they were. */
  count(of: 'real' | 'made up' | 'silence'): number {
    return this.card.heard.reduce((count, sample) => {
      const kind = sample === silence ? 'silence' : sample < 0 ? 'made up' : 'real';
      return count + (kind === of ? 1 : 0);
    }, 0);
  }

  assertAllHome(): void {
    this.jitter.reset();
    this.pool.assertAllHome();
  }
}

export function packetOf(
  seq: number,
  frameMs: number,
  mediaTime = seq * frameMs * ms,
): AudioPacket {
  const payload = Buffer.alloc(9);
  payload[0] = toc[frameMs] ?? 0;
  payload.writeDoubleBE(mediaTime, 1);
  const captureTimeUs = Math.round((seq * frameMs + 1_000) * 1000);
  return { seq, mediaTime, captureTimeUs, flags: 0, payload };
}

/**
 * `count` packets, each sent when its last sample was captured.
 *
 * @param delayMs of each by number; undefined: it is lost
 */
export function stream(
  count: number,
  frameMs: number,
  delayMs: (seq: number) => number | undefined = () => 0,
  packet = (seq: number): AudioPacket => packetOf(seq, frameMs),
): PlayerArrival[] {
  return Array.from({ length: count }, (_, seq): PlayerArrival[] => {
    const delay = delayMs(seq);
    if (delay === undefined) return [];
    return [{ atMs: 1_000 + (seq + 1) * frameMs + delay, packet: packet(seq) }];
  }).flat();
}
