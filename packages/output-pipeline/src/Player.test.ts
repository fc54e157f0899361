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
import { type AudioPacket, mediaRate, noDrops, packetFlags } from '@kvm-audio/protocol';
import { Random } from '../../../test/helpers/random.js';
import { receivedPacket } from '../../../test/helpers/receivedPacket.js';
import { SimulatedCard, silence } from '../../../test/helpers/SimulatedCard.js';
import { Player } from './Player.js';
import type { PlayerCounters } from './PlayerParts.js';
import { PlayoutLatency } from './PlayoutLatency.js';
import { PlayoutTarget } from './PlayoutTarget.js';
import { guardFrames } from './playbackOptions.js';

const ms = mediaRate / 1000;
const targetMs = 10;
const lowWaterMs = 4;
const lookaheadSamples = 312;
/** What was heard last is mirrored for so long, and fades. */
const fadeOutMs = 2.5;
/** A step of the simulation. */
const tickFrames = 24;

/** TOC bytes of CELT packets with one frame (RFC 6716 table 2). */
const toc: Record<number, number> = { 2.5: 0xe0, 5: 0xe8, 10: 0xf0, 20: 0xf8 };
const clockSize = 2 ** 14;

/**
 * Samples that say which moment of media time they are: real ones from 0 up, made up ones below 0.
 * A payload is the TOC, then the media time.
 */
class ClockDecoder implements OpusDecoder {
  readonly channels = 2;
  broken = false;
  /** The sample of a moment. */
  real = (time: number): number => time % clockSize;
  #next = 0;

  decode(packet: Uint8Array, out: Int16Array): number {
    const frames = packetFrames(packet) ?? 0;
    if (this.broken || frames * this.channels > out.length) throw new Error('corrupt or too long');
    const mediaTime = Buffer.from(packet).readDoubleBE(1);
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
const unchanged: PlayerCounters = {
  drops: noDrops(),
  concealedFrames: 0,
  trimmedFrames: 0,
  insertedFrames: 0,
};

type Arrival = { atMs: number; packet: AudioPacket };

/** The player between a simulated wire and a simulated card. */
class Bench {
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
  readonly player: Player;
  /** The event loop stands still: arrivals and the card's calls wait. */
  stalled = false;
  /** What was unplayed just before each packet went in. */
  readonly margins: { atMs: number; frames: number }[] = [];
  #lowWater = false;

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
      this.#lowWater = true;
    };
    this.player = new Player(
      {
        sink: this.card,
        decoder: this.decoder,
        resampler: new Resampler({ channels: 2, inputRate: mediaRate, outputRate: mediaRate }),
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
  run(arrivals: readonly Arrival[], untilMs: number): void {
    let next = 0;
    let queuedMost = 0;
    while (this.nowMs < untilMs) {
      if (!this.stalled) {
        for (let due = arrivals[next]; due && due.atMs <= this.nowMs; due = arrivals[next]) {
          this.#noteMargin(due.packet.mediaTime);
          this.player.onPacket(receivedPacket(due.packet), this.card.nowUs);
          next += 1;
        }
        if (this.#lowWater) this.player.onLowWater(this.card.nowUs);
        this.#lowWater = false;
      }
      this.card.advance(tickFrames);
      queuedMost = Math.max(queuedMost, this.jitter.queuedFrames);
    }
    expect(queuedMost).toBeLessThanOrEqual(jitterBufferLimits.capacityMs * ms);
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

function packetOf(seq: number, frameMs: number, mediaTime = seq * frameMs * ms): AudioPacket {
  const payload = Buffer.alloc(9);
  payload[0] = toc[frameMs] ?? 0;
  payload.writeDoubleBE(mediaTime, 1);
  const captureTimeUs = Math.round((seq * frameMs + 1_000) * 1000);
  return { seq, mediaTime, captureTimeUs, flags: 0, payload };
}

/** `count` packets, each sent when its last sample was captured. @param delayMs of each by number */
function stream(count: number, frameMs: number, delayMs: (seq: number) => number = () => 0) {
  return Array.from({ length: count }, (_, seq): Arrival => {
    const packet = packetOf(seq, frameMs);
    return { atMs: 1_000 + (seq + 1) * frameMs + delayMs(seq), packet };
  });
}

describe('a steady stream', () => {
  test.each([2.5, 5, 10, 20])('of %f ms frames is heard whole, nothing made up', (frameMs) => {
    const bench = new Bench();
    bench.run(stream(3_000 / frameMs, frameMs), 1_000 + 3_000);
    expect(bench.counters).toEqual(unchanged);
    expect(bench.card.underruns).toBe(0);
    expect(bench.delays(0, 3_000)).toHaveLength(1);
    expect(bench.count('made up')).toBe(0);
    expect(bench.count('silence')).toBe(targetMs * ms);
    bench.assertAllHome();
  });

  test('is heard after its frame, the target and the look-ahead: that is its latency', () => {
    const bench = new Bench();
    bench.run(stream(100, 20), 2_900);
    const { p50Ms } = bench.latency.endToEnd(bench.nowMs);
    expect(p50Ms).toBeGreaterThanOrEqual(20 + targetMs + lookaheadSamples / ms - 0.5);
    expect(p50Ms).toBeLessThanOrEqual(20 + targetMs + lookaheadSamples / ms + 0.5);
  });

  test('with jitter under the margin is heard whole, nothing made up', () => {
    const bench = new Bench();
    const random = new Random(3);
    const arrivals = stream(200, 20, (seq) => (seq === 0 ? 0 : random.next() * 5));
    bench.run(arrivals, 5_000);
    expect(bench.counters).toEqual(unchanged);
    expect(bench.delays(0, 4_000)).toHaveLength(1);
    bench.assertAllHome();
  });

  test('that comes in bursts is heard whole, nothing made up', () => {
    const bench = new Bench();
    bench.run(
      stream(300, 10, (seq) => (2 - (seq % 3)) * 10),
      4_000,
    );
    expect(bench.counters).toEqual(unchanged);
    expect(bench.delays(0, 3_000)).toHaveLength(1);
  });

  test('with packets out of order is heard in order', () => {
    const bench = new Bench();
    bench.run(
      stream(200, 5, (seq) => (seq % 10 === 5 ? 5.5 : 0)).sort((a, b) => a.atMs - b.atMs),
      2_000,
    );
    expect(bench.counters.drops).toEqual(noDrops());
    expect(bench.counters.concealedFrames).toBe(0);
    expect(bench.delays(0, 1_000)).toHaveLength(1);
  });
});

describe('another target', () => {
  /** Plays seconds of a stream, of which each is measured alone. */
  function playOn(delayMs?: (seq: number) => number) {
    const bench = new Bench();
    const arrivals = stream(600, 20, delayMs);
    let next = 0;
    const run = (packets: number): number => {
      const { totalCount, totalMs } = bench.latency.endToEnd(bench.nowMs);
      const end = next + packets;
      bench.run(arrivals.slice(next, end), 1_015 + 20 * end);
      next = end;
      const now = bench.latency.endToEnd(bench.nowMs);
      return (now.totalMs - totalMs) / (now.totalCount - totalCount);
    };
    return { bench, run };
  }

  test.each([16, 30, 60])('that is higher makes sound later by the difference: %d ms', (target) => {
    const { bench, run } = playOn();
    run(150);
    const before = run(50);
    bench.player.setTarget(target);
    run(100);
    expect(Math.abs(run(50) - before - (target - targetMs))).toBeLessThan(5);
    expect(bench.counters.concealedFrames).toBe(0);
    expect(bench.card.underruns).toBe(0);
  });

  test('that is lower makes it sooner by the difference', () => {
    const { bench, run } = playOn();
    run(150);
    const before = run(50);
    bench.player.setTarget(60);
    run(150);
    bench.player.setTarget(targetMs);
    run(100);
    expect(Math.abs(run(50) - before)).toBeLessThan(5);
    expect(bench.counters.concealedFrames).toBe(0);
    expect(bench.card.underruns).toBe(0);
  });

  test('that is far lower cuts what is unplayed, and loses nothing besides', () => {
    const bench = new Bench(undefined, 300);
    bench.jitter.resize(3, { goalFrames: 0 });
    const arrivals = stream(600, 20);
    bench.run(arrivals.slice(0, 200), 5_015);
    bench.player.setTarget(targetMs);
    bench.run(arrivals.slice(200), 13_015);
    expect(bench.drops).toBe(0);
    expect(bench.counters.concealedFrames).toBe(0);
    expect(Math.abs(bench.counters.trimmedFrames / ms - 290)).toBeLessThan(5);
    expect(bench.card.underruns).toBe(0);
    expect(bench.marginOffMs(9_000)).toBeLessThan(5);
  });

  test('is not waited for where a backlog is skipped', () => {
    // From the 150th packet on they come 40 ms sooner, so that so much more waits.
    const { bench, run } = playOn((seq) => (seq < 150 ? 40 : 0));
    run(155);
    const late = run(10);
    expect(bench.player.skipBacklog(bench.card.nowUs)).toBeGreaterThan(20 * ms);
    run(10);
    expect(late - run(10)).toBeGreaterThan(25);
    expect(bench.player.skipBacklog(bench.card.nowUs)).toBeLessThan(20 * ms);
    expect(bench.card.underruns).toBe(0);
  });
});

describe('a lost packet', () => {
  test('is made up to the sample, once', () => {
    const bench = new Bench();
    const arrivals = stream(150, 20).filter(({ packet }) => packet.seq !== 50);
    bench.run(arrivals, 3_900);
    expect(bench.counters.concealedFrames).toBe(20 * ms);
    expect(bench.count('made up')).toBe(20 * ms);
    expect(bench.drops).toBe(0);
    expect(bench.delays(0, 2_900)).toHaveLength(1);
    bench.assertAllHome();
  });

  test('in front of a corrupt one is made up all the same', () => {
    const bench = new Bench();
    const arrivals = stream(20, 20).filter(({ packet }) => packet.seq !== 10);
    bench.run(arrivals.slice(0, 10), 1_215);
    bench.decoder.broken = true;
    expect(() => bench.run(arrivals.slice(10, 11), 1_250)).not.toThrow();
    bench.decoder.broken = false;
    bench.run(arrivals.slice(11), 1_450);
    expect(bench.delays(0, 400)).toHaveLength(1);
    expect(bench.counters.drops.decode_error).toBeGreaterThan(0);
    bench.assertAllHome();
  });
});

describe('a bad packet', () => {
  test('that does not decode is made up and counted', () => {
    const bench = new Bench();
    const arrivals = stream(20, 20);
    bench.run(arrivals.slice(0, 10), 1_215);
    bench.decoder.broken = true;
    bench.run(arrivals.slice(10, 11), 1_235);
    bench.decoder.broken = false;
    bench.run(arrivals.slice(11), 1_400);
    expect(bench.counters.drops).toEqual({ ...noDrops(), decode_error: 1 });
    expect(bench.count('made up')).toBe(20 * ms);
    expect(bench.delays(0, 390)).toHaveLength(1);
  });

  test.each([
    ['no Opus packet', [0xff, 0x00]],
    ['longer than 120 ms', [0xfb, 0x07]],
    ['longer than the longest frame of the protocol', [0xfb, 0x06]],
  ])('that is %s is dropped and counted', (_, payload) => {
    const bench = new Bench();
    const packet = { ...packetOf(0, 20), payload: Uint8Array.from(payload) };
    expect(() => bench.player.onPacket(receivedPacket(packet), 0)).not.toThrow();
    expect(bench.counters.drops).toEqual({ ...noDrops(), decode_error: 1 });
    expect(bench.card.playout().streaming).toBe(false);
    bench.assertAllHome();
  });
});

describe('a stall of 50 ms', () => {
  test('of the source is made up, and then the delay is what it was', () => {
    const bench = new Bench();
    const late = (seq: number): number => Math.max(0, 50 - ((seq - 50) % 50) * 20);
    bench.run(
      stream(150, 20, (seq) => (seq >= 50 && seq < 53 ? late(seq) : 0)),
      3_950,
    );
    expect(bench.counters.concealedFrames).toBeGreaterThan(20 * ms);
    expect(bench.counters.concealedFrames).toBeLessThan(60 * ms);
    expect(bench.delays(0, 2_900)).toHaveLength(1);
    bench.assertAllHome();
  });

  test('of the event loop is silence of the card, and then the delay is what it was', () => {
    const bench = new Bench();
    const arrivals = stream(150, 20);
    const first = arrivals.filter(({ atMs }) => atMs <= 2_015);
    bench.run(first, 2_015);
    bench.stalled = true;
    bench.run([], 2_065);
    bench.stalled = false;
    bench.run(arrivals.slice(first.length), 3_950);
    expect(bench.card.underruns).toBe(1);
    expect(bench.count('silence')).toBeGreaterThan(targetMs * ms + 15 * ms);
    expect(bench.delays(0, 2_900)).toHaveLength(1);
    bench.assertAllHome();
  });

  test('with packets waiting behind a loss is not played late', () => {
    const bench = new Bench();
    const arrivals = stream(150, 20).filter(({ packet }) => packet.seq !== 50);
    const first = arrivals.filter(({ atMs }) => atMs <= 2_041);
    bench.run(first, 2_041);
    bench.stalled = true;
    bench.run([], 2_091);
    bench.stalled = false;
    bench.run(arrivals.slice(first.length), 3_950);
    expect(bench.delays(0, 2_900)).toHaveLength(1);
    bench.assertAllHome();
  });

  test('of any length adds no delay', () => {
    const random = new Random(11);
    const bench = new Bench();
    let until = 0;
    const arrivals = stream(500, 20, (seq) => {
      const sent = (seq + 1) * 20;
      if (seq > 10 && random.chance(0.02)) until = sent + random.integer(10, 190);
      return Math.max(0, until - sent);
    });
    bench.run(arrivals, 10_950);
    expect(bench.counters.concealedFrames).toBeGreaterThan(0);
    const delays = bench.delays(0, 9_900);
    expect(Math.max(...delays)).toBe(delays[0]);
    bench.assertAllHome();
  });
});

describe('a margin that changes for good', () => {
  const concealedMs = (bench: Bench): number => bench.counters.concealedFrames / ms;
  const insertedMs = (bench: Bench): number => bench.counters.insertedFrames / ms;

  test.each([300, -300, 100])(
    'by a card that is off by %i ppm is followed by the pace: nothing is put in or cut out',
    (ppm) => {
      const minutes = 4;
      const bench = new Bench((minutes * 60 + 5) * mediaRate);
      bench.card.skewPpm = ppm;
      bench.run(stream(minutes * 3_000, 20), minutes * 60_000 + 950);
      expect(bench.counters).toEqual(unchanged);
      expect(bench.card.underruns).toBe(0);
      expect(bench.marginOffMs(0)).toBeLessThan(3);
      // The resampler holds two thirds of a millisecond of it.
      expect(bench.marginOffMs(30_000)).toBeLessThan(1);
      expect(Math.abs((bench.player.driftPpm ?? Number.NaN) + ppm)).toBeLessThan(5);
      expect(Math.abs(bench.player.correctionPpm + ppm)).toBeLessThan(20);
      expect(bench.player.correctedBy).toBe('resampler');
      bench.assertAllHome();
    },
  );

  test.each([300, -300])(
    'by a card that is off by %i ppm is left to its pitch control: no sample is changed',
    (ppm) => {
      const seconds = 60;
      const bench = new Bench((seconds + 5) * mediaRate);
      bench.card.skewPpm = ppm;
      bench.card.pitchPpmMax = 5_000;
      bench.run(stream(seconds * 50, 20), seconds * 1_000 + 950);
      expect(bench.player.correctedBy).toBe('pitch');
      expect(bench.card.pitchPpm).toBe(bench.player.correctionPpm);
      expect(Math.abs(bench.card.pitchPpm + ppm)).toBeLessThan(100);
      expect(bench.counters).toEqual(unchanged);
      expect(bench.card.underruns).toBe(0);
      expect(bench.marginOffMs(0)).toBeLessThan(3);
      expect(bench.marginOffMs(40_000)).toBeLessThan(1);
      expect(bench.delays(1_100, seconds * 1_000)).toHaveLength(1);
      bench.player.rest();
      expect(bench.card.pitchPpm).toBe(0);
      expect(bench.player.correctedBy).toBeNull();
    },
  );

  test('by a way that has become shorter is no drift: the pace is soon its own again', () => {
    const bench = new Bench(75 * mediaRate);
    const arrivals = stream(3_500, 20, (seq) => (seq < 150 ? 8 : 0));
    const runUntil = (untilMs: number): void =>
      bench.run(
        arrivals.filter(({ atMs }) => atMs >= bench.nowMs),
        untilMs,
      );
    runUntil(8_000);
    expect(bench.player.correctedBy).toBe('resampler');
    runUntil(70_000);
    expect(Math.abs(bench.player.driftPpm ?? Number.NaN)).toBeLessThan(1);
    expect(bench.player.correctedBy).toBeNull();
    expect(bench.marginOffMs(40_000)).toBeLessThan(1);
    expect(bench.counters).toEqual(unchanged);
  });

  test('by a card whose pitch control can do a part of it only is followed by both', () => {
    const bench = new Bench(65 * mediaRate);
    bench.card.skewPpm = -300;
    bench.card.pitchPpmMax = 100;
    bench.run(stream(3_000, 20), 60_950);
    expect(bench.player.correctedBy).toBe('resampler');
    expect(bench.card.pitchPpm).toBe(100);
    expect(Math.abs(bench.player.correctionPpm - 300)).toBeLessThan(100);
    expect(bench.counters).toEqual(unchanged);
    expect(bench.marginOffMs(40_000)).toBeLessThan(1);
  });

  test('by a card whose pitch control comes to refuse goes on by the resampler, and back', () => {
    const bench = new Bench(95 * mediaRate);
    bench.card.skewPpm = -300;
    bench.card.pitchPpmMax = 5_000;
    const arrivals = stream(4_500, 20);
    const runUntil = (untilMs: number): void =>
      bench.run(
        arrivals.filter(({ atMs }) => atMs >= bench.nowMs),
        untilMs,
      );
    runUntil(40_000);
    expect(bench.player.correctedBy).toBe('pitch');
    bench.card.pitchRefuses = true;
    runUntil(60_000);
    expect(bench.player.correctedBy).toBe('resampler');
    expect(bench.card.pitchPpm).toBe(0);
    bench.card.pitchRefuses = false;
    runUntil(80_000);
    expect(bench.player.correctedBy).toBe('pitch');
    expect(bench.counters).toEqual(unchanged);
    expect(bench.card.underruns).toBe(0);
    expect(bench.marginOffMs(30_000)).toBeLessThan(1);
  });

  test('by a card that is off by 300 ppm, with jitter, makes up less than a thousandth', () => {
    const random = new Random(5);
    const bench = new Bench(125 * mediaRate);
    bench.card.skewPpm = 300;
    bench.run(
      stream(6_000, 20, () => random.next() * 4),
      120_950,
    );
    expect(concealedMs(bench)).toBeLessThan(120);
    expect(bench.drops).toBe(0);
  });

  test.each([5, 10, 20])(
    'by a source that is 12 ms later from now on is followed once (%f ms frames)',
    (frameMs) => {
      const bench = new Bench();
      const before = 1_000 / frameMs;
      const arrivals = stream(10_000 / frameMs, frameMs, (seq) => (seq >= before ? 12 : 0));
      bench.run(arrivals, 2_200);
      const { concealedFrames, insertedFrames } = bench.counters;
      expect(insertedFrames / ms).toBeGreaterThanOrEqual(10);
      expect(insertedFrames / ms).toBeLessThanOrEqual(17);
      bench.run(
        arrivals.filter(({ atMs }) => atMs > 2_200),
        10_950,
      );
      expect(bench.counters).toMatchObject({ concealedFrames, insertedFrames, trimmedFrames: 0 });
      expect(bench.delays(1_400, 9_900)).toHaveLength(1);
      bench.assertAllHome();
    },
  );

  test('by an xrun of the card is made good by it: the stream is as late as before', () => {
    const bench = new Bench();
    const arrivals = stream(200, 20);
    bench.run(arrivals, 2_005);
    const [delay] = bench.delays(0, 900);
    bench.card.xrun();
    bench.run(
      arrivals.filter(({ atMs }) => atMs > 2_005),
      4_950,
    );
    expect(bench.counters).toEqual(unchanged);
    expect(bench.delays(1_100, 3_900)).toEqual([delay]);
  });

  test('by a source that is late again and again is followed, and kept', () => {
    const bench = new Bench(undefined, 'auto');
    bench.run(
      stream(500, 20, (seq) => (seq % 7 === 3 ? 18 : 0)),
      10_950,
    );
    expect(insertedMs(bench)).toBeGreaterThan(8);
    expect(insertedMs(bench)).toBeLessThan(25);
    expect(concealedMs(bench)).toBeLessThan(100);
    expect(bench.delays(2_500, 9_900)).toHaveLength(1);
  });
});

describe('a single late packet', () => {
  test.each([8, 12, 19])('by %i ms is made up for and not followed', (lateMs) => {
    const bench = new Bench();
    bench.run(
      stream(1_000, 20, (seq) => (seq % 120 === 60 ? lateMs : 0)),
      20_950,
    );
    expect(bench.counters.insertedFrames).toBe(0);
    expect(bench.counters.trimmedFrames).toBe(0);
    expect(bench.delays(0, 19_900)).toHaveLength(1);
  });
});

test('a copy of each packet, 40 ms later, changes nothing', () => {
  const bench = new Bench();
  const arrivals = stream(400, 20);
  const copies = arrivals.map(({ atMs, packet }) => ({ atMs: atMs + 40, packet }));
  bench.run(
    [...arrivals, ...copies].sort((a, b) => a.atMs - b.atMs),
    8_950,
  );
  const cameCopies = copies.filter(({ atMs }) => atMs < 8_950).length;
  const { insertedFrames, trimmedFrames, concealedFrames } = bench.counters;
  expect([insertedFrames, trimmedFrames, concealedFrames]).toEqual([0, 0, 0]);
  expect(bench.counters.drops).toEqual({ ...noDrops(), duplicate_packet: cameCopies });
  expect(bench.delays(0, 7_900)).toHaveLength(1);
});

describe('an addition', () => {
  test('makes no click', () => {
    const bench = new Bench();
    const amplitude = 10_000;
    bench.decoder.real = (time) =>
      Math.round(amplitude * Math.cos((2 * Math.PI * 440 * time) / mediaRate));
    // More than the pace makes good.
    bench.card.skewPpm = 4_000;
    bench.run(stream(1_000, 20), 20_950);
    expect(bench.counters.insertedFrames).toBeGreaterThan(10 * ms);
    expect(bench.counters.concealedFrames).toBe(0);
    const heard = bench.card.heard.subarray(targetMs * ms, 19_900 * ms);
    const steps = heard.subarray(1).map((sample, i) => Math.abs(sample - (heard[i] ?? 0)));
    const ofTheTone = (amplitude * 2 * Math.PI * 440) / mediaRate;
    expect(steps.reduce((most, step) => Math.max(most, step), 0)).toBeLessThan(1.1 * ofTheTone);
  });
});

describe('a card that stands still', () => {
  test.each([100, 250, 1_000, 5_000])('for %i ms adds no delay', (standstillMs) => {
    const bench = new Bench();
    const arrivals = stream(750, 20);
    bench.run(arrivals, 2_005);
    const before = bench.card.queuedFrames();
    bench.card.idle = true;
    bench.run(
      arrivals.filter(({ atMs }) => atMs > 2_005),
      2_005 + standstillMs,
    );
    bench.card.idle = false;
    const resumedMs = bench.nowMs;
    const settledMs = 2_005 + 20 * Math.ceil((standstillMs + 3_000) / 20);
    bench.run(
      arrivals.filter(({ atMs }) => atMs > resumedMs),
      settledMs,
    );
    expect(Math.abs(bench.card.queuedFrames() - before) / ms).toBeLessThan(8);
    expect(bench.counters.insertedFrames).toBe(0);
    bench.player.rest();
    bench.assertAllHome();
  });

  test('plays nothing of what waited for it when it moves', () => {
    const bench = new Bench();
    const numberOf = (time: number): number => Math.floor(time / (20 * ms));
    bench.decoder.real = numberOf;
    const arrivals = stream(200, 20);
    bench.run(arrivals, 2_005);
    bench.card.idle = true;
    bench.run(
      arrivals.filter(({ atMs }) => atMs > 2_005),
      3_005,
    );
    const played = bench.card.heard.length;
    bench.card.idle = false;
    const later = arrivals.filter(({ atMs }) => atMs > 3_005);
    bench.run(later, 3_505);
    const heard = bench.card.heard.subarray(played).filter((sample) => sample > 0);
    expect(heard.length).toBeGreaterThan(300 * ms);
    expect(heard[0]).toBe(numberOf(later[0]!.packet.mediaTime));
    expect(bench.card.underruns).toBe(0);
  });

  test('from before the start on says so too, whatever is given to it, and plays at once', () => {
    const bench = new Bench();
    bench.card.idle = true;
    const arrivals = stream(500, 20);
    bench.run(arrivals.slice(0, 400), 9_000);
    expect(bench.player.standstillMs(bench.card.nowUs)).toBeGreaterThan(7_000);
    const { drops, trimmedFrames } = bench.counters;
    expect(drops.card_standstill).toBeGreaterThan(350);
    expect(bench.drops).toBe(drops.card_standstill);
    expect(trimmedFrames).toBeLessThan(300 * ms);
    bench.card.idle = false;
    bench.run(arrivals.slice(400), 11_000);
    expect(bench.player.standstillMs(bench.card.nowUs)).toBe(0);
    expect(bench.counters.drops.card_standstill - drops.card_standstill).toBeLessThan(5);
  });

  test('for long drops what comes, counted, and says for how long', () => {
    const bench = new Bench();
    const arrivals = stream(150, 20);
    bench.run(arrivals, 2_005);
    expect(bench.player.standstillMs(bench.card.nowUs)).toBeLessThan(1);
    bench.card.idle = true;
    bench.run(
      arrivals.filter(({ atMs }) => atMs > 2_005),
      4_000,
    );
    expect(bench.player.standstillMs(bench.card.nowUs)).toBeCloseTo(1_995, -1);
    const { drops } = bench.counters;
    expect(drops.card_standstill).toBeGreaterThan(80);
    expect(bench.drops - drops.jitter_overflow).toBe(drops.card_standstill);
    bench.assertAllHome();
  });
});

test('a source that says that it pauses, and sends nothing more, is no underrun', () => {
  const bench = new Bench();
  const arrivals = stream(50, 20);
  const last = arrivals.at(-1);
  if (last) last.packet.flags = packetFlags.dtx;
  const stop = jest.spyOn(bench.card, 'stop');
  bench.run(arrivals, 5_000);
  expect(bench.card.underruns).toBe(0);
  expect(bench.counters.concealedFrames).toBe(0);
  bench.run(
    stream(50, 20).map(({ packet }, i) => ({
      atMs: 5_000 + 20 * i,
      packet: { ...packet, seq: 50 + i, mediaTime: (200 + i) * 20 * ms },
    })),
    5_990,
  );
  expect(bench.card.underruns).toBe(0);
  expect(bench.drops).toBe(0);
  // The card has stopped by itself, and did not stand still: what goes on is not thrown away.
  expect(stop).not.toHaveBeenCalled();
});

test('an encoder that starts anew meets a decoder that does, and no other packet does', () => {
  const bench = new Bench();
  const arrivals = stream(100, 20);
  const anew = arrivals[60];
  if (anew) anew.packet.flags = packetFlags.discontinuity;
  const happened: (string | number)[] = [];
  const decode = bench.decoder.decode.bind(bench.decoder);
  jest.spyOn(bench.decoder, 'decode').mockImplementation((packet, out) => {
    happened.push(Buffer.from(packet).readDoubleBE(1) / (20 * ms));
    return decode(packet, out);
  });
  bench.run(arrivals.slice(0, 50), 2_005);
  jest.spyOn(bench.decoder, 'reset').mockImplementation(() => happened.push('reset'));
  bench.run(arrivals.slice(50), 3_000);
  expect(happened.slice(55, 65)).toEqual([55, 56, 57, 58, 59, 'reset', 60, 61, 62, 63]);
  expect(happened.filter((what) => what === 'reset')).toHaveLength(1);
});

test('a decoder goes on behind a rest of the same encoder, and begins anew for the next one', () => {
  const bench = new Bench();
  const reset = jest.spyOn(bench.decoder, 'reset');
  bench.run(stream(50, 20), 2_500);
  bench.player.rest();
  expect(reset).not.toHaveBeenCalled();
  bench.player.end(bench.card.nowUs);
  expect(reset).toHaveBeenCalledTimes(1);
});

describe('a start with a backlog', () => {
  const backlog = stream(500, 20, (seq) => Math.max(0, 100 - (seq + 1) * 20));

  test('of which nothing was heard begins with the newest, what is left out is counted', () => {
    const bench = new Bench();
    bench.run(backlog, 10_950);
    expect(bench.counters.concealedFrames).toBe(0);
    expect(bench.drops).toBe(0);
    expect(bench.counters.trimmedFrames).toBe(80 * ms);
    expect(bench.delays(0, 9_800)).toHaveLength(1);
    bench.assertAllHome();
  });

  test('is cut without a click', () => {
    const bench = new Bench();
    // Half a period is 10 ms, a whole cut: side by side the pieces would be a full swing apart.
    const amplitude = 10_000;
    bench.decoder.real = (time) =>
      Math.round(amplitude * Math.cos((2 * Math.PI * 50 * time) / mediaRate));
    bench.run(backlog, 4_000);
    expect(bench.counters.trimmedFrames).toBeGreaterThan(40 * ms);
    const heard = bench.card.heard.subarray(targetMs * ms, 2_900 * ms);
    const steps = heard.subarray(1).map((sample, i) => Math.abs(sample - (heard[i] ?? 0)));
    const ofTheTone = (amplitude * 2 * Math.PI * 50) / mediaRate;
    const ofTheBlend = (2 * amplitude) / (5 * ms);
    expect(steps.reduce((most, step) => Math.max(most, step), 0)).toBeLessThan(
      ofTheTone + ofTheBlend + 2,
    );
  });
});

describe('the end of a source', () => {
  test.each([2.5, 20])('plays everything out (%f ms frames)', (frameMs) => {
    const bench = new Bench();
    const count = 200 / frameMs;
    bench.run(stream(count, frameMs), 1_201);
    bench.player.end(bench.card.nowUs);
    bench.run([], 1_300);
    expect(bench.count('real')).toBe((200 + fadeOutMs) * ms);
    expect(bench.count('made up')).toBe(0);
    expect(bench.card.underruns).toBe(0);
    expect(bench.card.playout().streaming).toBe(false);
    bench.assertAllHome();
  });

  test('fades, whatever its last sample is', () => {
    const bench = new Bench();
    bench.decoder.real = () => 10_000;
    bench.run(stream(10, 20), 1_205);
    bench.player.end(bench.card.nowUs);
    bench.run([], 1_300);
    const sound = bench.card.heard.filter((sample) => sample !== silence);
    expect(sound.at(-1)).toBeLessThan(100);
    expect(sound.at(-1 - fadeOutMs * ms)).toBe(10_000);
  });

  test('with a loss in front of the last packet plays that packet too', () => {
    const bench = new Bench();
    const arrivals = stream(5, 20).filter(({ packet }) => packet.seq !== 3);
    bench.run(arrivals, 1_101);
    bench.player.end(bench.card.nowUs);
    bench.run([], 1_300);
    expect(bench.count('real')).toBe((80 + fadeOutMs) * ms);
    expect(bench.count('made up')).toBe(20 * ms);
    bench.assertAllHome();
  });

  test('leaves no false latency behind', () => {
    const bench = new Bench();
    const arrivals = stream(5, 20).filter(({ packet }) => packet.seq !== 3);
    bench.run(arrivals, 1_101);
    bench.player.end(bench.card.nowUs);
    const { p50Ms, maxMs } = bench.latency.endToEnd(bench.nowMs);
    expect(p50Ms).toBeGreaterThan(30);
    expect(maxMs).toBeLessThan(60);
  });

  test('is the start of the next one, with its margin', () => {
    const bench = new Bench();
    bench.run(stream(10, 20), 1_201);
    bench.player.end(bench.card.nowUs);
    bench.run([], 1_300);
    const again = stream(10, 20).map(({ atMs, packet }) => ({ atMs: atMs + 400, packet }));
    bench.run(again, 1_590);
    expect(bench.counters.drops).toEqual(noDrops());
    expect(bench.counters.concealedFrames).toBe(0);
    expect(bench.card.underruns).toBe(0);
    bench.assertAllHome();
  });
});

describe('a new timeline in a running stream', () => {
  test('gets its margin back, and drops nothing', () => {
    const bench = new Bench();
    const lateMs = 8;
    const jumped = stream(100, 20).map(({ atMs, packet }): Arrival => {
      if (packet.seq < 50) return { atMs, packet };
      const moved = packetOf(packet.seq, 20, packet.mediaTime + 500_000);
      return { atMs: atMs + lateMs, packet: { ...moved, flags: packet.seq === 50 ? 1 : 0 } };
    });
    const justBefore60 = (jumped[60]?.atMs ?? 0) - 0.5;
    bench.run(jumped.slice(0, 60), justBefore60);
    expect(bench.card.queuedFrames() / ms).toBeGreaterThan(targetMs - 0.5);
    expect(bench.card.queuedFrames() / ms).toBeLessThan(targetMs + 1.5);
    bench.run(jumped.slice(60), 2_900);
    expect(bench.drops).toBe(0);
    expect(bench.card.underruns).toBe(0);
    expect(bench.delays(0, 950)).toHaveLength(1);
    expect(bench.delays(1_100, 1_850)).toHaveLength(1);
  });

  test('behind a silence of the card lets nothing of before be heard again, and fades in', () => {
    const bench = new Bench();
    bench.decoder.real = () => 10_000;
    const arrivals = stream(100, 20)
      .filter(({ packet: { seq } }) => seq < 50 || seq >= 70)
      .map(({ atMs, packet }) => ({
        atMs,
        packet: { ...packet, flags: packet.seq === 70 ? packetFlags.discontinuity : 0 },
      }));
    bench.run(arrivals, 2_900);
    expect(bench.card.underruns).toBe(1);
    const { heard } = bench.card;
    const behind = heard.subarray(heard.lastIndexOf(silence) + 1);
    expect(behind.length).toBeGreaterThan(400 * ms);
    // Silence, and rising sound.
    expect(behind[0]).toBe(0);
    expect(behind.every((sample, i) => sample >= (behind[i - 1] ?? 0))).toBe(true);
    expect(behind.at(-1)).toBe(10_000);
  });
});

describe('a timeline that jumps by hours without a word', () => {
  test('is followed both ways, and is no sound that was put in or cut out', () => {
    const bench = new Bench();
    const hours = 5 * 3600 * mediaRate;
    const jumped = stream(150, 20).map(({ atMs, packet }): Arrival => {
      const away = packet.seq >= 50 && packet.seq < 100;
      return { atMs, packet: packetOf(packet.seq, 20, packet.mediaTime + (away ? hours : 0)) };
    });
    bench.run(jumped, 3_900);
    expect(bench.counters.insertedFrames).toBe(0);
    expect(bench.counters.trimmedFrames).toBe(0);
    expect(bench.counters.drops.late_packet).toBeLessThan(10);
    expect(bench.delays(2_300, 2_900)).toHaveLength(1);
    bench.assertAllHome();
  });
});

describe('a burst that is longer than the ring', () => {
  test('waits as packets and is not dropped', () => {
    const bench = new Bench();
    const count = 40;
    bench.run(
      stream(count, 2.5, (seq) => Math.max(0, (24 - seq) * 2.5)),
      1_100,
    );
    expect(bench.drops).toBe(0);
    expect(bench.counters.concealedFrames).toBe(0);
    bench.assertAllHome();
  });
});

describe('a burst that is longer than the jitter buffer', () => {
  test.each([
    // 10 ms are unplayed, as in each packet's way; 70 ms are reached with four packets.
    [4, 40 - 4 - 4],
    [10, 40 - 4 - 10],
    [20, 40 - 4 - 20],
  ])('of %i packets loses %i of 40', (packets, lost) => {
    const bench = new Bench();
    bench.jitter.resize(packets, { goalFrames: targetMs * ms });
    const arrivals = stream(90, 20);
    bench.run(arrivals.slice(0, 50), 2_021);
    for (const { packet } of arrivals.slice(50)) {
      bench.player.onPacket(receivedPacket(packet), bench.card.nowUs);
    }
    expect(bench.counters.drops.jitter_overflow).toBe(lost);
    expect(bench.jitter.queuedFrames).toBe(packets * 20 * ms);
    bench.player.rest();
    bench.pool.assertAllHome();
  });
});

describe('a device that takes nothing', () => {
  test('bounds what waits: the oldest packets go, and all slots come home', () => {
    const bench = new Bench();
    for (const { packet } of stream(100, 20)) bench.player.onPacket(receivedPacket(packet), 0);
    expect(bench.jitter.queuedFrames).toBeLessThanOrEqual(200 * ms);
    expect(bench.counters.trimmedFrames).toBeGreaterThan(0);
    bench.player.rest();
    bench.pool.assertAllHome();
  });
});
