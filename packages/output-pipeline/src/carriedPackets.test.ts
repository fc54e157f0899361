import {
  FramePool,
  JitterBuffer,
  jitterBufferLimits,
  type OpusDecoder,
  PacketSlot,
  packetFrames,
  packetSlotBytes,
} from '@kvm-audio/audio';
import { type CarriedPacket, type PlayoutEngagement, Resampler } from '@kvm-audio/native-alsa/alsa';
import { type AudioPacket, mediaRate, noDrops, packetFlags } from '@kvm-audio/protocol';
import { Random } from '../../../test/helpers/random.js';
import { receivedPacket } from '../../../test/helpers/receivedPacket.js';
import { SimulatedCard, silence } from '../../../test/helpers/SimulatedCard.js';
import { Player } from './Player.js';
import type { PlayerCounters } from './PlayerParts.js';
import { PlayoutLatency } from './PlayoutLatency.js';
import { PlayoutTarget } from './PlayoutTarget.js';
import { guardFrames } from './playbackOptions.js';
import { historyFrames } from './Splicer.js';

const ms = mediaRate / 1000;
const targetMs = 10;
const tickFrames = 24;
const packetMs = 10;
/** TOC byte of a CELT packet of 10 ms (RFC 6716 table 2). */
const toc = 0xf0;

/** Samples that say which moment of media time they are, negative where they are made up. */
class ClockDecoder implements OpusDecoder {
  readonly channels = 2;
  readonly role = {};
  #next = 0;

  decode(packet: Uint8Array, out: Int16Array): number {
    const frames = packetFrames(packet) ?? 0;
    this.#next = packet.length > 2 ? Buffer.from(packet).readDoubleBE(1) : this.#next;
    return this.#write(frames, out, 1);
  }

  decodeFec(_next: Uint8Array, frames: number, out: Int16Array): number {
    return this.#write(frames, out, -1);
  }

  conceal(frames: number, out: Int16Array): number {
    return this.#write(frames, out, -1);
  }

  reset(): void {
    this.#next = 0;
  }

  close(): void {}

  #write(frames: number, out: Int16Array, sign: 1 | -1): number {
    for (let i = 0; i < frames; i++) {
      out.fill(sign * (1 + ((this.#next + i) % 2 ** 14)), i * 2, i * 2 + 2);
    }
    this.#next += frames;
    return frames;
  }
}

type Arrival = { atMs: number; packet: AudioPacket };

/** A player whose steady packets go past it, as a fast path of the card would do it. */
class Bench {
  readonly card = new SimulatedCard({
    slots: 16,
    slotFramesMax: 60 * ms,
    channels: 2,
    bufferFrames: 100 * ms,
    guardFrames,
    lowWaterFrames: 4 * ms,
    startSilenceFrames: targetMs * ms,
  });
  readonly counters: PlayerCounters = {
    drops: noDrops(),
    concealedFrames: 0,
    trimmedFrames: 0,
    insertedFrames: 0,
  };
  readonly latency = new PlayoutLatency(0);
  readonly jitter: JitterBuffer;
  readonly player: Player;
  carriedCount = 0;
  concealedCount = 0;
  readonly #decoder = new ClockDecoder();
  readonly #resampler = new Resampler({
    channels: 2,
    inputRate: mediaRate,
    outputRate: mediaRate,
  });
  readonly #carries: boolean;
  #lent: PlayoutEngagement | undefined;
  /** Without a packet: what was made up. */
  readonly #log: { packet?: AudioPacket; carried: CarriedPacket }[] = [];
  readonly #piece = new Int16Array(2 * 60 * ms);
  #lowWater = false;
  /** So much later than it is told does the player's process do something. */
  readonly #wakeMs: () => number;
  #wakesAtUs = Infinity;
  /** What it is to read then. */
  readonly #unread: AudioPacket[] = [];

  constructor(carries: boolean, fixedMs: number | undefined = targetMs, wakeMs = () => 0) {
    this.#carries = carries;
    this.#wakeMs = wakeMs;
    const pool = new FramePool(
      'packets',
      { jitterBuffer: jitterBufferLimits.packetsMax, decoding: 1 },
      packetSlotBytes,
      (bytes) => new PacketSlot(bytes),
    );
    this.jitter = new JitterBuffer(pool);
    this.card.onLowWater = () => {
      this.#lowWater = true;
    };
    this.player = new Player(
      {
        sink: this.card,
        decoder: this.#decoder,
        resampler: this.#resampler,
        jitter: this.jitter,
        latency: this.latency,
        counters: this.counters,
      },
      {
        channels: 2,
        target: new PlayoutTarget({ fixedMs, mostMs: 150 }),
        guardFrames,
        lookaheadSamples: 312,
        clock: () => this.card.nowUs,
      },
    );
  }

  /** @param looks in each step, whether the stream is looked at in between. */
  run(arrivals: readonly Arrival[], untilMs: number, looks: () => boolean = () => false): void {
    let next = 0;
    while (this.card.nowUs / 1000 < untilMs) {
      const nowMs = this.card.nowUs / 1000;
      for (let due = arrivals[next]; due && due.atMs <= nowMs; due = arrivals[next]) {
        this.#receive(due.packet);
        next += 1;
      }
      this.#lookAtLowWater();
      if (this.card.nowUs >= this.#wakesAtUs) this.#wakeUp();
      if (looks()) this.#hold(() => undefined);
      this.card.advance(tickFrames);
    }
    this.#takeBack();
  }

  /** The process is told; one thing or another, it looks at all. */
  #tell(): void {
    const wakeMs = this.#wakeMs();
    this.#wakesAtUs = Math.min(this.#wakesAtUs, this.card.nowUs + 1000 * wakeMs);
    if (wakeMs === 0) this.#wakeUp();
  }

  /** See OutputPipeline: what came is read, and low water is for who is not lent the stream. */
  #wakeUp(): void {
    this.#wakesAtUs = Infinity;
    const { nowUs } = this.card;
    this.#hold(() => {
      for (const packet of this.#unread.splice(0))
        this.player.onPacket(receivedPacket(packet), nowUs);
    });
    if (!this.#lent) this.player.onLowWater(nowUs);
  }

  /** While it carries, the card's thread makes up what is missing, later than the player in a loss. */
  #lookAtLowWater(): void {
    const lent = this.#lent;
    const mayCome = lent && !this.jitter.pauses;
    if (mayCome && this.card.queuedFrames() > guardFrames + ms / 2) return;
    if (!this.#lowWater) return;
    this.#lowWater = false;
    const { silenceFrames } = this.card.playout();
    const knowsAll = lent?.silenceFrames === silenceFrames;
    if (!lent || !knowsAll || lent.concealFramesMax < lent.concealFrames) {
      this.#tell();
      return;
    }
    lent.concealFramesMax -= lent.concealFrames;
    this.#give(lent, this.#decoder.conceal(lent.concealFrames, this.#piece));
    this.concealedCount += 1;
  }

  #hold(work: () => void): void {
    this.#takeBack();
    work();
    this.#lend();
  }

  #lend(): void {
    if (this.#carries) this.#lent = this.player.steady(this.card.nowUs);
  }

  #takeBack(): void {
    const lent = this.#lent;
    if (!lent) return;
    this.#lent = undefined;
    for (const { packet, carried } of this.#log.splice(0)) {
      if (packet) this.player.noteCarried(receivedPacket(packet), carried);
      else this.player.noteConcealed(carried);
    }
    this.player.played.end = lent.historyEnd;
  }

  #receive(packet: AudioPacket): void {
    const lent = this.#lent;
    if (!lent || this.#unread.length > 0 || !this.#isPlain(lent, packet)) {
      this.#unread.push(packet);
      this.#tell();
      return;
    }
    const isScarce = this.card.queuedFrames() < lent.scarceFrames;
    this.#give(lent, this.#decoder.decode(packet.payload, this.#piece), packet);
    lent.nextSeq = (packet.seq + 1) >>> 0;
    this.carriedCount += 1;
    this.#lowWater = false;
    if (isScarce || this.card.nowUs >= lent.tellAtUs) this.#tell();
  }

  /** See PlayoutFastPath.cpp. */
  #isPlain(lent: PlayoutEngagement, { seq, mediaTime, flags, payload }: AudioPacket): boolean {
    const playout = this.card.playout();
    return (
      playout.streaming &&
      playout.silenceFrames === lent.silenceFrames &&
      this.card.nowUs - playout.lastProgressUs < lent.standstillUs &&
      seq === lent.nextSeq &&
      mediaTime === lent.playTime &&
      flags === 0 &&
      payload.length > 2 &&
      playout.queuedFrames <= lent.marginFramesMax &&
      this.card.acquire() !== undefined
    );
  }

  /** What was decoded, or made up, goes to the card. */
  #give(lent: PlayoutEngagement, frames: number, packet?: AudioPacket): void {
    const { nowUs } = this.card;
    const { queuedFrames, ringFrames, beyondFrames } = this.card.playout();
    const slot = this.card.acquire()!;
    slot.offsetFrames = 0;
    slot.frames = frames;
    if (lent.resampler) {
      slot.frames = this.#resampler.process(this.#piece, frames, slot.pcm).produced;
    } else {
      slot.pcm.set(this.#piece.subarray(0, 2 * frames));
    }
    const committedFrames = slot.frames;
    this.card.commit(slot);
    this.#remember(lent, frames);
    lent.playTime += frames;
    const { seq = 0, mediaTime = 0, captureTimeUs, payload } = packet ?? {};
    const times = { arrivalUs: nowUs, startUs: nowUs, endUs: nowUs, seenUs: nowUs };
    this.#log.push({
      ...(packet && { packet }),
      carried: {
        ...times,
        ...{ concealed: !packet, seq, mediaTime, captureTimeUs, frames },
        ...{ payloadBytes: payload?.length ?? 0, queuedFrames, ringFrames, beyondFrames },
        ...{ playedFrames: 0, committedFrames },
      },
    });
  }

  #remember(lent: PlayoutEngagement, frames: number): void {
    const { line } = this.player.played;
    if (lent.historyEnd + frames > line.length / 2 - 60 * ms) {
      line.copyWithin(0, 2 * (lent.historyEnd - historyFrames), 2 * lent.historyEnd);
      lent.historyEnd = historyFrames;
    }
    line.set(this.#piece.subarray(0, 2 * frames), 2 * lent.historyEnd);
    lent.historyEnd += frames;
  }

  /** All that can be seen of it, and all that what comes depends on. */
  get state(): unknown {
    const nowMs = this.card.nowUs / 1000;
    const { player, latency, counters, jitter } = this;
    const {
      decoder: _,
      resampler,
      historyEnd: __,
      ...steady
    } = player.steady(this.card.nowUs) ?? {};
    return {
      counters,
      steady,
      resamples: resampler !== undefined,
      history: player.played.line.slice(
        2 * (player.played.end - historyFrames),
        2 * player.played.end,
      ),
      latency: latency.endToEnd(nowMs),
      stages: latency.stages(nowMs),
      leastMarginMs: latency.leastMarginMs(nowMs),
      marginMs: player.marginMs,
      driftPpm: player.driftPpm,
      correctionPpm: player.correctionPpm,
      correctedBy: player.correctedBy,
      plainNext: jitter.plainNext,
      queuedMs: player.queuedMs(this.card.nowUs),
      underruns: this.card.underruns,
    };
  }
}

function packetOf(seq: number, changed: Partial<AudioPacket> = {}): AudioPacket {
  const mediaTime = seq * packetMs * ms;
  const payload = Buffer.alloc(9);
  payload[0] = toc;
  payload.writeDoubleBE(mediaTime, 1);
  const captureTimeUs = Math.round((seq * packetMs + 1_000) * 1000);
  return { seq, mediaTime, captureTimeUs, flags: 0, payload, ...changed };
}

/** Packets in the order of their arrival. @param delayMs undefined: it is lost. */
function stream(
  count: number,
  delayMs: (seq: number) => number | undefined = () => 0,
  packet: (seq: number) => AudioPacket = packetOf,
): Arrival[] {
  return Array.from({ length: count }, (_, seq): Arrival[] => {
    const delay = delayMs(seq);
    if (delay === undefined) return [];
    return [{ atMs: 1_000 + (seq + 1) * packetMs + delay, packet: packet(seq) }];
  })
    .flat()
    .sort((a, b) => a.atMs - b.atMs);
}

const seconds = 20;
const packets = (seconds * 1000) / packetMs;

/** The same stream, with the fast path and without. */
function both(arrivals: readonly Arrival[], untilMs: number, skewPpm = 0): [Bench, Bench] {
  const random = new Random(11);
  const [carrying, plain] = [new Bench(true), new Bench(false)];
  for (const bench of [carrying, plain]) bench.card.skewPpm = skewPpm;
  carrying.run(arrivals, untilMs, () => random.chance(0.003));
  plain.run(arrivals, untilMs);
  return [carrying, plain];
}

/** Jest compares a million samples one by one. */
function bytesOf({ buffer, byteOffset, byteLength }: Int32Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

describe('a player that is told of carried packets', () => {
  const random = new Random(5);
  const jitter = Array.from({ length: packets }, () => random.next() * 4);
  const lost = Array.from({ length: packets }, () => random.chance(0.02));
  const sometimes = (seq: number): number => seq % 97;

  test.each<[string, Arrival[], concealed?: boolean]>([
    ['that are punctual', stream(packets)],
    ['with some jitter', stream(packets, (seq) => jitter[seq])],
    ['of which some are lost', stream(packets, (seq) => (lost[seq] ? undefined : 0)), true],
    [
      'of which some are late, or out of order',
      stream(packets, (seq) => (sometimes(seq) === 5 ? 25 : 0)),
      true,
    ],
    [
      'with a discontinuity now and then',
      stream(
        packets,
        () => 0,
        (seq) => packetOf(seq, { flags: sometimes(seq) === 5 ? packetFlags.discontinuity : 0 }),
      ),
    ],
    [
      'with pauses',
      stream(
        packets,
        (seq) => (sometimes(seq) > 30 && sometimes(seq) < 50 ? undefined : 0),
        (seq) => packetOf(seq, sometimes(seq) === 30 ? { payload: Buffer.of(toc, 0) } : {}),
      ),
      true,
    ],
  ])('%s is where it would be had they come to it', (_, arrivals, concealed = false) => {
    const [carrying, plain] = both(arrivals, 1_000 + seconds * 1000);
    expect(carrying.carriedCount).toBeGreaterThan(packets / 4);
    expect(carrying.concealedCount > 10).toBe(concealed);
    expect(plain.carriedCount).toBe(0);
    expect(carrying.state).toEqual(plain.state);
    expect(bytesOf(carrying.card.heard).equals(bytesOf(plain.card.heard))).toBe(true);
  });

  test.each([300, -300])('holds the margin where the clocks part by %d ppm', (skewPpm) => {
    const [carrying, plain] = both(stream(packets), 1_000 + seconds * 1000, skewPpm);
    expect(carrying.carriedCount).toBeGreaterThan(packets / 2);
    for (const bench of [carrying, plain]) {
      expect(bench.counters.drops).toEqual(noDrops());
      expect([bench.counters.concealedFrames, bench.card.underruns]).toEqual([0, 0]);
      expect(bench.player.correctedBy).toBe('resampler');
    }
    // The pace changes with the packet behind the one that shows it.
    const off = carrying.player.correctionPpm - plain.player.correctionPpm;
    expect(Math.abs(off)).toBeLessThan(30);
    expect(Math.abs(carrying.player.marginMs! - plain.player.marginMs!)).toBeLessThan(0.5);
  });

  test('costs no silence where its process is late, as the card’s thread is not', () => {
    // Nearly too late, a little too late, while the process is about to read what was; in order.
    const late = [6, 9, 12, 14, 30];
    let delayMs = 0;
    const arrivals = stream(packets, (seq) => {
      const ownMs = seq % 61 === 5 ? late[seq % late.length]! : 0;
      delayMs = Math.max(ownMs, delayMs - packetMs);
      return delayMs;
    });
    const benches = [true, false].map((carries) => new Bench(carries, targetMs, () => 3));
    for (const bench of benches) bench.run(arrivals, 1_000 + seconds * 1000);
    const [carrying, plain] = benches as [Bench, Bench];
    expect(carrying.carriedCount).toBeGreaterThan(packets / 2);
    expect(carrying.concealedCount).toBeGreaterThan(packets / 61 / 2);
    expect(carrying.card.underruns).toBe(0);
    expect(plain.card.underruns).toBeGreaterThan(packets / 61 / 4);
  });

  test('lends nothing before it plays, and nothing while a change is under way', () => {
    const bench = new Bench(false);
    expect(bench.player.steady(bench.card.nowUs)).toBeUndefined();
    const arrivals = stream(packets);
    bench.run(arrivals.slice(0, 20), 1_200);
    // Its first windows are short.
    expect(bench.player.steady(bench.card.nowUs)).toBeUndefined();
    bench.run(arrivals.slice(20, 200), 3_005);
    const steady = bench.player.steady(bench.card.nowUs);
    expect(steady).toMatchObject({ nextSeq: 200, playTime: 200 * packetMs * ms });
    expect(steady!.scarceFrames).toBeLessThan(targetMs * ms);
    expect(steady!.marginFramesMax).toBeGreaterThan(targetMs * ms);
    expect(steady!.tellAtUs).toBeGreaterThan(bench.card.nowUs);
    expect(steady!.tellAtUs).toBeLessThan(bench.card.nowUs + 1_300_000);
    bench.player.setTarget(2 * targetMs);
    expect(bench.player.steady(bench.card.nowUs)).toBeUndefined();
    bench.run(arrivals.slice(200, 400), 5_005);
    expect(bench.player.steady(bench.card.nowUs)).toBeDefined();
    bench.player.end(bench.card.nowUs);
    expect(bench.player.steady(bench.card.nowUs)).toBeUndefined();
  });

  test('follows a way that becomes longer, and one that becomes shorter', () => {
    const longer = (seq: number): number => (seq > 500 && seq < 1_400 ? 30 : 0);
    const arrivals = stream(packets, longer);
    const random = new Random(3);
    const results = [true, false].map((carries) => {
      const bench = new Bench(carries, undefined);
      bench.run(arrivals, 1_000 + seconds * 1000, () => random.chance(0.003));
      return bench;
    });
    const [carrying, plain] = results as [Bench, Bench];
    expect(carrying.carriedCount).toBeGreaterThan(packets / 3);
    expect(carrying.counters.drops).toEqual(plain.counters.drops);
    const off = carrying.counters.concealedFrames - plain.counters.concealedFrames;
    expect(Math.abs(off)).toBeLessThan(20 * ms);
    expect(carrying.card.underruns).toBe(plain.card.underruns);
  });
});

describe('pauses of 800 ms, where the process is 3 to 10 ms late each time,', () => {
  const goalMs = 20;
  const soundPackets = 200;
  const pausePackets = 80;

  /** All the time but for the pauses. The last packet before each says that it pauses. */
  function withPauses(): Arrival[] {
    let seq = 0;
    return Array.from({ length: packets }, (_, at): Arrival[] => {
      const phase = at % (soundPackets + pausePackets);
      if (phase > soundPackets) return [];
      const mediaTime = at * packetMs * ms;
      const payload = phase === soundPackets ? Buffer.of(toc, 0) : undefined;
      const packet = packetOf(seq, { mediaTime, captureTimeUs: undefined });
      seq += 1;
      return [
        { atMs: 1_000 + (at + 1) * packetMs, packet: { ...packet, ...(payload && { payload }) } },
      ];
    }).flat();
  }

  function played(carries: boolean, seed: number): Bench {
    const random = new Random(seed);
    const bench = new Bench(carries, goalMs, () => 3 + 7 * random.next());
    bench.run(withPauses(), 1_000 + seconds * 1000);
    expect(bench.counters.drops).toEqual(noDrops());
    expect(bench.card.underruns).toBe(0);
    return bench;
  }

  /** Lengths of the silences behind the start's, in milliseconds. */
  function gapsMs({ card: { heard } }: Bench): number[] {
    const gaps: number[] = [];
    for (let from = heard.indexOf(silence, goalMs * ms); from >= 0; ) {
      const length = heard.subarray(from).findIndex((sample) => sample !== silence);
      gaps.push(length / ms);
      from = length < 0 ? -1 : heard.indexOf(silence, from + length);
    }
    return gaps;
  }

  const seeds = [1, 2, 3, 4, 5, 6, 7, 8];

  test.each(seeds)('are comfort noise without a gap (seed %i)', (seed) => {
    const bench = played(true, seed);
    expect(bench.concealedCount).toBeGreaterThan(6 * (780 / 5));
    expect(gapsMs(bench)).toEqual([]);
  });

  test.each(seeds)('are no underrun without a fast path, and it goes on (seed %i)', (seed) => {
    const gaps = gapsMs(played(false, seed));
    expect(gaps.length).toBeGreaterThan(10);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(10);
    expect(Math.min(...gaps)).toBeGreaterThan(0);
  });
});
