import { type AudioPacket, mediaRate, packetFlags } from '@kvm-audio/protocol';
import { Random } from '../../../test/helpers/random.js';
import { receivedPacket } from '../../../test/helpers/receivedPacket.js';
import { FramePool } from './FramePool.js';
import { JitterBuffer, type PlainNext, type PlayoutStep } from './JitterBuffer.js';
import type { JitterBufferLimits } from './jitterBufferLimits.js';
import { PacketSlot, packetSlotBytes } from './PacketSlot.js';

const ms = mediaRate / 1000;
const frame = 20 * ms;
const limits: JitterBufferLimits = {
  capacityMs: 200,
  sizedMsMax: 400,
  packetsMax: 12,
  concealMsMax: 100,
  comfortMsMax: 300,
  lateMsMax: 100,
};

type Said = Pick<PlayoutStep, 'action' | 'frames' | 'trimFrames' | 'restart'> & {
  seq: number | undefined;
};

/** A jitter buffer whose packets are released as a player does it, and whose steps are kept. */
class Bench {
  readonly pool: FramePool<PacketSlot>;
  readonly buffer: JitterBuffer;
  readonly packetsMax: number;

  constructor(changed: Partial<JitterBufferLimits> = {}, spareSlots = 1) {
    const all = { ...limits, ...changed };
    this.packetsMax = all.packetsMax;
    this.pool = new FramePool(
      'packets',
      { jitterBuffer: all.packetsMax, decoding: spareSlots },
      packetSlotBytes,
      (bytes) => new PacketSlot(bytes),
    );
    this.buffer = new JitterBuffer(this.pool, all);
  }

  /** Packet number `seq` of a stream of 20 ms frames, unless told otherwise. */
  insert(seq: number, changed: Partial<AudioPacket> = {}, frames = frame, nowMs = 0) {
    const packet: AudioPacket = {
      seq,
      mediaTime: seq * frames,
      captureTimeUs: undefined,
      flags: 0,
      payload: Uint8Array.of(seq & 0xff, 0xaa, 0xbb),
      ...changed,
    };
    return this.buffer.insert(receivedPacket(packet), frames, nowMs);
  }

  step(urgent = false): Said {
    const { action, packet, frames, trimFrames, restart } = this.buffer.next(urgent);
    const seq = packet?.seq;
    if (action === 'decode') packet?.release();
    return { action, seq, frames, trimFrames, restart };
  }

  steps(urgent = false): Said[] {
    const all: Said[] = [];
    const ends = ['wait', 'rest'];
    for (let said = this.step(urgent); !ends.includes(said.action); said = this.step(urgent)) {
      all.push(said);
    }
    return all;
  }

  /** What the card is given when it needs audio, until no packet waits. */
  emptied(): Said[] {
    const all: Said[] = [];
    while (this.buffer.queuedFrames > 0) all.push(this.step(true));
    return all;
  }

  /** Starts a stream: packet 0 was given out. */
  started(): this {
    this.insert(0);
    expect(this.steps()).toMatchObject([{ action: 'decode', seq: 0, restart: true }]);
    return this;
  }

  assertAllHome(): void {
    this.buffer.reset();
    this.pool.assertAllHome();
    expect(this.buffer.queuedFrames).toBe(0);
  }
}

/** SILK, 20 ms, mono: a voice flag, then that of the redundancy. */
const withRedundancy = Uint8Array.of(0x48, 0b0100_0000, 0xbb);

const decode = (seq: number, trimFrames = 0, restart = false): Said => ({
  action: 'decode',
  seq,
  frames: frame,
  trimFrames,
  restart,
});
const conceal = (frames: number): Said => ({
  action: 'conceal',
  seq: undefined,
  frames,
  trimFrames: 0,
  restart: false,
});
const fec = (seq: number, frames = frame, trimFrames = 0): Said => ({
  action: 'fec',
  seq,
  frames,
  trimFrames,
  restart: false,
});

describe('a jitter buffer', () => {
  test('gives packets out in order as they come, the first as a new timeline', () => {
    const bench = new Bench();
    for (let seq = 0; seq < 50; seq++) {
      expect(bench.insert(seq)).toBeUndefined();
      expect(bench.steps()).toEqual([decode(seq, 0, seq === 0)]);
    }
    expect(bench.pool.stats()).toMatchObject({ peak: 1, inUse: 0 });
  });

  test('hands over what the packet held, from memory of its own', () => {
    const bench = new Bench();
    const payload = Buffer.from([1, 2, 3]);
    bench.insert(9, { captureTimeUs: 77, flags: packetFlags.dtx, payload });
    payload.fill(0);
    const { packet } = bench.buffer.next(false);
    expect(packet).toMatchObject({ seq: 9, mediaTime: 9 * frame, captureTimeUs: 77, flags: 2 });
    expect([...(packet?.payload ?? [])]).toEqual([1, 2, 3]);
    expect(packet?.durationMs).toBe(20);
    packet?.release();
  });

  test('starts with whatever packet comes first, wherever the stream is', () => {
    const bench = new Bench();
    bench.insert(5_000_000);
    bench.insert(5_000_001);
    expect(bench.steps()).toEqual([decode(5_000_000, 0, true), decode(5_000_001)]);
  });

  test('makes nothing up before the first packet', () => {
    const bench = new Bench();
    expect(bench.step(true).action).toBe('wait');
    bench.buffer.skip(frame);
    bench.insert(0);
    expect(bench.emptied()).toEqual([decode(0, 0, true)]);
  });

  test('puts packets that came in another order in order', () => {
    const bench = new Bench().started();
    bench.insert(3);
    bench.insert(2);
    expect(bench.steps()).toEqual([]);
    expect(bench.buffer.queuedFrames).toBe(2 * frame);
    bench.insert(1);
    expect(bench.steps()).toEqual([decode(1), decode(2), decode(3)]);
  });

  test('drops a packet that waits here already, and keeps no slot for it', () => {
    const bench = new Bench().started();
    bench.insert(2);
    bench.insert(3);
    expect(bench.insert(2)).toBe('duplicate_packet');
    expect(bench.pool.stats().inUse).toBe(2);
    expect(bench.buffer.queuedFrames).toBe(2 * frame);
  });

  test('drops a packet that was played already', () => {
    const bench = new Bench().started();
    expect(bench.insert(0)).toBe('duplicate_packet');
    expect(bench.insert(0, { mediaTime: -10 })).toBe('late_packet');
    expect(bench.pool.stats().inUse).toBe(0);
  });

  test('goes on over the wrap of seq as if nothing were', () => {
    const bench = new Bench();
    const last = 0xffff_ffff;
    bench.insert(last - 1, { mediaTime: 0 });
    bench.insert(last, { mediaTime: frame });
    bench.insert(0, { mediaTime: 2 * frame });
    bench.insert(1, { mediaTime: 3 * frame });
    expect(bench.steps().map(({ seq }) => seq)).toEqual([last - 1, last, 0, 1]);
  });

  test('sees a loss at the wrap of seq', () => {
    const bench = new Bench();
    bench.insert(0xffff_fffe, { mediaTime: 0 });
    bench.insert(0, { mediaTime: 2 * frame });
    expect(bench.steps()).toHaveLength(1);
    expect(bench.emptied()).toEqual([fec(0), decode(0)]);
  });
});

describe('a missing packet', () => {
  test('is waited for until the card needs audio, then taken from the next one', () => {
    const bench = new Bench().started();
    bench.insert(2);
    expect(bench.steps()).toEqual([]);
    expect(bench.emptied()).toEqual([fec(2), decode(2)]);
    expect(bench.pool.stats().inUse).toBe(0);
  });

  test('that was made up in part is taken from the next one for the rest alone', () => {
    const bench = new Bench().started();
    expect(bench.step(true)).toEqual(conceal(5 * ms));
    expect(bench.step(true)).toEqual(conceal(5 * ms));
    bench.insert(2, { payload: withRedundancy });
    expect(bench.emptied()).toEqual([fec(2, frame, 10 * ms), decode(2)]);
  });

  test('that was made up in part is made up further where the next one does not tell it', () => {
    const bench = new Bench().started();
    expect(bench.step(true)).toEqual(conceal(5 * ms));
    expect(bench.step(true)).toEqual(conceal(5 * ms));
    bench.insert(2);
    expect(bench.emptied()).toEqual([conceal(5 * ms), conceal(5 * ms), decode(2)]);
  });

  test.each([2, 3, 4, 5])('that is one of %i is made up but for the last', (missing) => {
    const bench = new Bench().started();
    bench.insert(missing + 1);
    const said = bench.emptied();
    const madeUp = said.slice(0, -2);
    expect(madeUp.every(({ action, frames }) => action === 'conceal' && frames <= 5 * ms)).toBe(
      true,
    );
    expect(madeUp.reduce((sum, { frames }) => sum + frames, 0)).toBe((missing - 1) * frame);
    expect(said.slice(-2)).toEqual([fec(missing + 1), decode(missing + 1)]);
  });

  test('before a shorter one is made up to the sample, in multiples of 2.5 ms', () => {
    const bench = new Bench().started();
    const quantum = 2.5 * ms;
    bench.insert(2, { mediaTime: 2 * frame }, quantum);
    const said = bench.emptied();
    expect(said.map(({ action, frames }) => [action, frames])).toEqual([
      ['conceal', 240],
      ['conceal', 240],
      ['conceal', 240],
      ['conceal', 120],
      ['fec', 120],
      ['decode', 120],
    ]);
  });

  test('of which a part has passed in silence is never made up in other lengths', () => {
    const bench = new Bench().started();
    bench.insert(3);
    bench.buffer.skip(50);
    const said = bench.emptied();
    const madeUp = said.filter(({ action }) => action === 'conceal');
    expect(madeUp.every(({ frames }) => frames % (2.5 * ms) === 0)).toBe(true);
    const out = said.slice(0, -1).reduce((sum, step) => sum + step.frames, 0);
    const more = out - (2 * frame - 50);
    expect(more).toBeLessThan(2.5 * ms);
    expect(said.at(-1)).toEqual(decode(3, more));
  });

  test('that comes after all is played if nothing was made up yet', () => {
    const bench = new Bench().started();
    bench.insert(2);
    expect(bench.steps()).toEqual([]);
    bench.insert(1);
    expect(bench.emptied().slice(0, 2)).toEqual([decode(1), decode(2)]);
  });

  test('that comes after a part was made up is played from there on', () => {
    const bench = new Bench().started();
    expect(bench.step(true)).toEqual(conceal(5 * ms));
    expect(bench.insert(1)).toBeUndefined();
    expect(bench.steps()).toEqual([decode(1, 5 * ms)]);
  });

  test('that was decoded already is a copy, not a late one; what was made up is late', () => {
    const bench = new Bench().started();
    bench.insert(1);
    expect(bench.steps()).toEqual([decode(1)]);
    expect([bench.insert(0), bench.insert(1)]).toEqual(['duplicate_packet', 'duplicate_packet']);
    for (let i = 0; i < 4; i++) bench.step(true);
    expect(bench.insert(2)).toBe('late_packet');
    expect(bench.insert(3)).toBeUndefined();
    expect(bench.steps()).toEqual([decode(3)]);
  });

  test('that comes after all of it was made up is late', () => {
    const bench = new Bench().started();
    for (let i = 0; i < 4; i++) expect(bench.step(true)).toEqual(conceal(5 * ms));
    expect(bench.insert(1)).toBe('late_packet');
    expect(bench.insert(2)).toBeUndefined();
    expect(bench.steps()).toEqual([decode(2)]);
  });

  test('that comes too late may be decoded unheard where it is next in order', () => {
    const bench = new Bench().started();
    const late = (seq: number): boolean =>
      bench.buffer.passLate(
        receivedPacket({
          seq,
          mediaTime: seq * frame,
          captureTimeUs: undefined,
          flags: 0,
          payload: Uint8Array.of(0, 1, 2),
        }),
      );
    for (let i = 0; i < 8; i++) bench.step(true);
    expect([late(2), late(0), late(1)]).toEqual([false, false, true]);
    // It is known from now on, moves no time, and no more is made up for it.
    expect(bench.insert(1)).toBe('duplicate_packet');
    expect([bench.buffer.playTime, late(2)]).toEqual([3 * frame, true]);
    expect(bench.steps(true)).toHaveLength(12);
    bench.insert(6);
    expect(bench.steps()).toEqual([decode(6)]);
    bench.buffer.reset();
    expect(late(7)).toBe(false);
  });

  test('is made up for 100 ms at most while nothing comes', () => {
    const bench = new Bench().started();
    const said = bench.steps(true);
    expect(said.reduce((sum, { frames }) => sum + frames, 0)).toBe(100 * ms);
    expect(bench.step(true).action).toBe('wait');
  });

  test('may be made up again after the next packet', () => {
    const bench = new Bench().started();
    bench.steps(true);
    bench.insert(6);
    expect(bench.step()).toEqual(decode(6));
    expect(bench.step(true)).toEqual(conceal(5 * ms));
  });

  test('in a gap of the longest length that is filled is waited for', () => {
    const bench = new Bench().started();
    bench.insert(6);
    expect(bench.step().action).toBe('wait');
    bench.insert(7);
    expect(bench.step().action).toBe('wait');
  });

  test('in a longer gap is skipped at once: a new timeline', () => {
    const bench = new Bench().started();
    bench.insert(7);
    expect(bench.steps()).toEqual([decode(7, 0, true)]);
  });
});

describe('a pause that the source has announced', () => {
  const announced: [string, Partial<AudioPacket>][] = [
    ['by the flag', { flags: packetFlags.dtx }],
    ['by a packet of two bytes', { payload: Uint8Array.of(0, 0) }],
  ];

  function paused(changed: Partial<AudioPacket>): Bench {
    const bench = new Bench();
    bench.insert(0, changed);
    bench.steps();
    return bench;
  }

  test.each(announced)('%s is filled with comfort noise, not with concealment', (_, changed) => {
    const bench = paused(changed);
    expect(bench.buffer.next(true)).toMatchObject({ action: 'conceal', comfort: true });
  });

  test('is filled for longer than a loss, and not for ever', () => {
    const bench = paused({ flags: packetFlags.dtx });
    const said = bench.steps(true);
    expect(said.reduce((sum, { frames }) => sum + frames, 0)).toBe(limits.comfortMsMax * ms);
    expect(bench.step(true).action).toBe('rest');
  });

  test('ends with the next packet, on the same timeline', () => {
    const bench = paused({ flags: packetFlags.dtx });
    for (let i = 0; i < 40; i++) bench.step(true);
    bench.insert(1, { mediaTime: frame + 205 * ms });
    // The time until it is known, and is not waited for.
    expect(bench.step()).toEqual(conceal(5 * ms));
    expect(bench.step()).toEqual(decode(1));
    expect(bench.step(true)).toEqual(conceal(5 * ms));
    expect(bench.buffer.next(true).comfort).toBe(false);
  });

  test('waits as long as it can for a packet that is missing before the next', () => {
    const bench = paused({ flags: packetFlags.dtx });
    for (let i = 0; i < 40; i++) bench.step(true);
    bench.insert(2, { mediaTime: 2 * frame + 205 * ms });
    expect(bench.step().action).toBe('wait');
    bench.insert(1, { mediaTime: frame + 200 * ms });
    expect(bench.step()).toEqual(decode(1));
  });
});

describe('a jump of media time', () => {
  test('without a missing packet is taken at once', () => {
    const bench = new Bench().started();
    bench.insert(1, { mediaTime: 2 * frame });
    expect(bench.steps()).toEqual([decode(1, 0, true)]);
  });

  test('without a missing packet is seen over the wrap of seq too', () => {
    const bench = new Bench();
    bench.insert(0xffff_ffff, { mediaTime: 0 });
    bench.steps();
    bench.insert(0, { mediaTime: 3 * frame });
    expect(bench.steps()).toEqual([decode(0, 0, true)]);
  });

  test('that is announced is taken at once, whatever is missing', () => {
    const bench = new Bench().started();
    bench.insert(2, { flags: packetFlags.discontinuity });
    expect(bench.steps()).toEqual([decode(2, 0, true)]);
  });

  test('backwards that is announced is taken at once and whole', () => {
    const bench = new Bench();
    bench.insert(1_000);
    bench.steps();
    expect(bench.insert(1_001, { mediaTime: 7, flags: packetFlags.discontinuity })).toBeUndefined();
    bench.insert(1_002, { mediaTime: 7 + frame });
    expect(bench.steps()).toEqual([decode(1_001, 0, true), decode(1_002)]);
  });

  test('backwards that is not announced is followed when it has lasted', () => {
    const bench = new Bench();
    bench.insert(1_000);
    bench.steps();
    const moved = (seq: number, nowMs: number) =>
      bench.insert(seq, { mediaTime: (seq - 1_001) * frame }, frame, nowMs);
    expect([0, 20, 40, 60, 80].map((nowMs, i) => moved(1_001 + i, nowMs))).toEqual(
      Array(5).fill('late_packet'),
    );
    expect(bench.steps()).toEqual([]);
    expect(moved(1_006, 100)).toBeUndefined();
    expect(moved(1_007, 120)).toBeUndefined();
    expect(bench.steps()).toEqual([decode(1_006, 0, true), decode(1_007)]);
  });

  test('is not seen in a backlog that comes bit by bit', () => {
    const bench = new Bench().started();
    bench.buffer.skip(1_000 * ms);
    const backlog = Array.from({ length: 45 }, (_, i) => bench.insert(1 + i, {}, frame, i * 4));
    expect(backlog).toEqual(Array(45).fill('late_packet'));
  });

  test('is not seen in late packets with good ones among them', () => {
    const bench = new Bench().started();
    for (let seq = 1; seq < 40; seq++) {
      const nowMs = seq * 20;
      expect(bench.insert(seq, {}, frame, nowMs)).toBeUndefined();
      expect(bench.steps()).toEqual([decode(seq)]);
      const late = { mediaTime: (seq - 1) * frame - 10 };
      expect(bench.insert(seq - 1, late, frame, nowMs)).toBe('late_packet');
    }
  });

  test('gives the slots of the old timeline back', () => {
    const bench = new Bench();
    bench.insert(1_000);
    bench.steps();
    bench.insert(1_002);
    bench.insert(0, {}, frame, 0);
    expect(bench.pool.stats().inUse).toBe(1);
    expect(bench.insert(1, {}, frame, 100)).toBeUndefined();
    expect(bench.pool.stats().inUse).toBe(1);
    expect(bench.steps()).toEqual([decode(1, 0, true)]);
  });
});

describe('silence of the card', () => {
  test('counts as time: the next packet is trimmed', () => {
    const bench = new Bench().started();
    bench.buffer.skip(7 * ms);
    bench.insert(1);
    bench.insert(2);
    expect(bench.steps()).toEqual([decode(1, 7 * ms), decode(2)]);
  });

  test('makes a packet late whose time has passed', () => {
    const bench = new Bench().started();
    bench.buffer.skip(frame + 1);
    expect(bench.insert(1)).toBe('late_packet');
    bench.insert(2);
    expect(bench.steps()).toEqual([decode(2, 1)]);
  });

  test('that is longer than what waits is taken from one packet after another', () => {
    const bench = new Bench().started();
    for (const seq of [2, 3, 4]) bench.insert(seq);
    bench.buffer.skip(frame + 2 * frame + 5);
    const said = bench.steps();
    expect(said.map(({ seq, trimFrames }) => [seq, trimFrames])).toEqual([
      [2, frame],
      [3, frame],
      [4, 5],
    ]);
    expect(bench.insert(5)).toBeUndefined();
    expect(bench.steps()).toEqual([decode(5)]);
  });

  test('adds up with what was made up', () => {
    const bench = new Bench().started();
    expect(bench.step(true)).toEqual(conceal(5 * ms));
    bench.buffer.skip(15 * ms);
    expect(bench.insert(1)).toBe('late_packet');
    bench.insert(2);
    expect(bench.steps()).toEqual([decode(2)]);
  });
});

describe('the bounds', () => {
  test('in time: the oldest goes, is counted, and is not waited for', () => {
    const bench = new Bench().started();
    for (let seq = 2; seq <= 11; seq++) expect(bench.insert(seq)).toBeUndefined();
    expect(bench.buffer.queuedFrames).toBe(200 * ms);
    expect(bench.insert(12)).toBe('jitter_overflow');
    expect(bench.buffer.queuedFrames).toBe(200 * ms);
    expect(bench.steps().map(({ action, seq }) => [action, seq])).toEqual(
      Array.from({ length: 10 }, (_, i) => ['decode', i + 3]),
    );
  });

  test('in packets: the oldest goes', () => {
    const bench = new Bench({ packetsMax: 4 });
    const short = 2.5 * ms;
    bench.insert(0, {}, short);
    bench.steps();
    for (let seq = 2; seq <= 5; seq++) expect(bench.insert(seq, {}, short)).toBeUndefined();
    expect(bench.insert(6, {}, short)).toBe('jitter_overflow');
    expect(bench.steps().map(({ seq }) => seq)).toEqual([3, 4, 5, 6]);
    bench.assertAllHome();
  });

  test('hold for a packet that belongs in front of all others', () => {
    const bench = new Bench({ packetsMax: 3 }).started();
    for (const seq of [3, 4, 5]) bench.insert(seq);
    bench.insert(2);
    expect(bench.pool.stats().inUse).toBeLessThanOrEqual(3);
    bench.assertAllHome();
  });

  test('drop a packet for which there is no slot', () => {
    const bench = new Bench({ packetsMax: 3 });
    const taken = Array.from({ length: 4 }, () => bench.pool.acquire());
    expect(bench.insert(0)).toBe('pool_empty');
    expect(bench.buffer.queuedFrames).toBe(0);
    for (const slot of taken) slot?.release();
    bench.assertAllHome();
  });

  test('give back every slot when it is reset, and start anew', () => {
    const bench = new Bench().started();
    for (let seq = 2; seq < 9; seq++) bench.insert(seq);
    bench.assertAllHome();
    expect(bench.step(true).action).toBe('wait');
    expect(bench.insert(0)).toBeUndefined();
    expect(bench.steps()).toEqual([decode(0, 0, true)]);
  });
});

describe('a size in packets', () => {
  const target = 10 * ms;
  /** What waits behind a packet that is missing. */
  const waiting = (bench: Bench): (number | undefined)[] => bench.steps().map(({ seq }) => seq);

  test('bounds what waits', () => {
    const bench = new Bench().started();
    expect(bench.buffer.resize(4, { goalFrames: target })).toBe(0);
    for (let seq = 2; seq <= 5; seq++) expect(bench.insert(seq)).toBeUndefined();
    expect(bench.insert(6)).toBe('jitter_overflow');
    expect(bench.buffer.queuedFrames).toBe(4 * frame);
    expect(waiting(bench)).toEqual([3, 4, 5, 6]);
    bench.assertAllHome();
  });

  test('that shrinks lets the oldest go at once, and says how many', () => {
    const bench = new Bench().started();
    for (let seq = 2; seq <= 11; seq++) bench.insert(seq);
    expect(bench.buffer.resize(3, { goalFrames: target })).toBe(7);
    expect(bench.pool.stats().inUse).toBe(3);
    expect(waiting(bench)).toEqual([9, 10, 11]);
    bench.assertAllHome();
  });

  test('that grows lets more wait than any time that is fixed', () => {
    const bench = new Bench({ packetsMax: 30 }).started();
    bench.buffer.resize(15, { goalFrames: target });
    for (let seq = 2; seq <= 16; seq++) expect(bench.insert(seq)).toBeUndefined();
    expect(bench.insert(17)).toBe('jitter_overflow');
    expect(bench.buffer.queuedFrames).toBe(300 * ms);
    bench.assertAllHome();
  });

  test.each([
    // packets, target in ms, packet in ms, room in ms
    [6, 10, 20, 120],
    [6, 10, 5, 30],
    [6, 10, 2.5, 15],
    [20, 10, 20, 400],
    [20, 10, 60, 400], // no size is more
    [3, 40, 20, 60], // target and packet are just in it
    [3, 41, 20, 61], // and hold where they are not
    [3, 10, 2.5, 12.5],
    [1, 500, 60, 560],
  ])('of %i, with a target of %f ms, is for packets of %f ms %f ms', (packets, ...inMs) => {
    const [targetMs, packetMs, roomMs] = inMs;
    const bench = new Bench();
    bench.buffer.resize(packets, { goalFrames: targetMs * ms });
    expect(bench.buffer.capacityFrames(packetMs * ms)).toBe(roomMs * ms);
  });

  test('is one of packets as they come', () => {
    const bench = new Bench({ packetsMax: 30 }).started();
    bench.buffer.resize(4, { goalFrames: target });
    for (let seq = 2; seq <= 5; seq++) bench.insert(seq);
    const short = 10 * ms;
    expect(bench.insert(12, {}, short)).toBe('jitter_overflow');
    expect(bench.buffer.queuedFrames).toBeLessThanOrEqual(4 * short);
    bench.assertAllHome();
  });

  test('is never more than there are slots', () => {
    const bench = new Bench({ packetsMax: 4 }).started();
    bench.buffer.resize(10, { goalFrames: target });
    for (let seq = 2; seq <= 5; seq++) expect(bench.insert(seq)).toBeUndefined();
    expect(bench.insert(6)).toBe('jitter_overflow');
    expect(bench.pool.stats().inUse).toBe(4);
    expect(bench.buffer.resize(10, { goalFrames: target })).toBe(0);
    bench.assertAllHome();
  });

  test('is not less than the newest packet', () => {
    const bench = new Bench().started();
    bench.buffer.resize(1, { goalFrames: 0 });
    for (const seq of [2, 3]) bench.insert(seq);
    expect(waiting(bench)).toEqual([3]);
    bench.assertAllHome();
  });
});

describe('a random trace', () => {
  const traceLimits: Partial<JitterBufferLimits> = { capacityMs: 60, packetsMax: 8 };

  /** What was given out, as a position in media time that is moved by nothing else. */
  class Ledger {
    position: number | undefined;
    outFrames = 0;
    readonly seen = new Set<number>();
    /** The position is unknown until the next decode: the oldest was dropped. */
    overflown = false;

    take(said: Said, mediaTime: number): void {
      if (said.action === 'conceal') expect(said.frames % 120).toBe(0);
      expect(said.trimFrames).toBeLessThanOrEqual(said.frames);
      const out = said.frames - said.trimFrames;
      this.outFrames += out;
      if (said.action === 'decode') this.#onDecode(said, mediaTime, out);
      else this.position = (this.position ?? Number.NaN) + out;
    }

    #onDecode(said: Said, mediaTime: number, out: number): void {
      expect(this.seen.has(said.seq ?? -1)).toBe(false);
      this.seen.add(said.seq ?? -1);
      if (out === 0) return;
      const from = mediaTime + said.trimFrames;
      if (said.restart || this.overflown) this.position = from;
      this.overflown = false;
      expect(from).toBe(this.position);
      this.position = (this.position ?? 0) + out;
    }
  }

  type Offered = { seq: number; mediaTime: number; frames: number };

  /** A source and a network that lose, repeat and reorder, and a card that takes what it likes. */
  class Trace {
    readonly bench = new Bench(traceLimits);
    readonly ledger = new Ledger();
    readonly #random: Random;
    readonly #times = new Map<number, number>();
    readonly #delayed: Offered[] = [];
    #seq: number;
    #mediaTime: number;

    constructor(seed: number) {
      this.#random = new Random(seed);
      this.#seq = seed % 2 === 0 ? 0 : 0xffff_fff0;
      this.#mediaTime = this.#random.integer(0, 1_000_000);
    }

    round(): void {
      this.#arrive();
      if (this.#random.chance(0.08)) this.#fallSilent();
      this.#play();
      expect(this.bench.buffer.queuedFrames).toBeLessThanOrEqual(60 * ms);
      expect(this.bench.pool.stats().inUse).toBeLessThanOrEqual(8);
    }

    #arrive(): void {
      const random = this.#random;
      const otherMs = [2.5, 5, 10, 40][random.integer(0, 3)] ?? 20;
      const frames = (random.chance(0.8) ? 20 : otherMs) * ms;
      const packet = { seq: this.#seq, mediaTime: this.#mediaTime, frames };
      this.#seq = (this.#seq + 1) >>> 0;
      this.#mediaTime += frames + (random.chance(0.02) ? random.integer(1, 20_000) : 0);
      if (random.chance(0.15)) this.#delayed.push(packet);
      else if (!random.chance(0.1)) this.#offer(packet);
      if (random.chance(0.1)) this.#offer(packet);
      while (this.#delayed.length > 0 && random.chance(0.4)) {
        this.#offer(this.#delayed.shift() ?? packet);
      }
    }

    #offer({ seq, mediaTime, frames }: Offered): void {
      this.#times.set(seq, mediaTime);
      // Time stands still, so that no late packet ever moves the timeline.
      const dropped = this.bench.insert(seq, { mediaTime }, frames, 0);
      expect(dropped).not.toBe('pool_empty');
      if (dropped === 'jitter_overflow') this.ledger.overflown = true;
    }

    #fallSilent(): void {
      if (this.ledger.position === undefined) return;
      const silence = this.#random.integer(1, 3_000);
      this.bench.buffer.skip(silence);
      this.ledger.position += silence;
    }

    #play(): void {
      for (let left = this.#random.integer(0, 4); left > 0; left--) {
        const said = this.bench.step(this.#random.chance(0.4));
        if (said.action === 'wait') return;
        this.ledger.take(said, this.#times.get(said.seq ?? -1) ?? Number.NaN);
      }
    }
  }

  test.each(Array.from({ length: 20 }, (_, i) => i + 1))(
    'is one unbroken timeline within all bounds (seed %i)',
    (seed) => {
      const trace = new Trace(seed);
      for (let i = 0; i < 300; i++) trace.round();
      expect(trace.ledger.outFrames).toBeGreaterThan(75 * frame);
      trace.bench.assertAllHome();
    },
  );
});

describe('what would go straight through', () => {
  const received = (seq: number): ReturnType<typeof receivedPacket> =>
    receivedPacket({
      seq,
      mediaTime: seq * frame,
      captureTimeUs: undefined,
      flags: 0,
      payload: Uint8Array.of(seq & 0xff, 0xaa, 0xbb),
    });

  const after = (seq: number): PlainNext => ({
    nextSeq: seq + 1,
    playTime: (seq + 1) * frame,
    concealFrames: 5 * ms,
    concealFramesMax: limits.concealMsMax * ms,
  });

  test('is the packet behind the one that was taken last', () => {
    const bench = new Bench();
    expect(bench.buffer.plainNext).toBeUndefined();
    bench.insert(5);
    expect(bench.buffer.plainNext).toBeUndefined();
    bench.step();
    expect(bench.buffer.plainNext).toEqual(after(5));
    expect(bench.buffer.packetFrames).toBe(frame);
  });

  test('is waited for no longer than what is made up for it lasts', () => {
    const bench = new Bench();
    bench.insert(5);
    bench.step();
    const conceal = 5 * ms;
    const most = limits.concealMsMax * ms;
    // By whoever plays past the buffer, then by the buffer itself.
    bench.buffer.passConcealed(conceal);
    expect(bench.buffer.plainNext).toEqual({
      ...after(5),
      playTime: 6 * frame + conceal,
      concealFramesMax: most - conceal,
    });
    expect(bench.buffer.next(true)).toMatchObject({ action: 'conceal', frames: conceal });
    expect(bench.buffer.plainNext).toMatchObject({
      playTime: 6 * frame + 2 * conceal,
      concealFramesMax: most - 2 * conceal,
    });
    for (let made = 2 * conceal; made < most; made += conceal) bench.buffer.passConcealed(conceal);
    expect(bench.buffer.next(true).action).toBe('wait');
    expect(bench.buffer.plainNext).toBeUndefined();
    // What comes behind it is played, and may be missing for as long again.
    bench.insert(11);
    bench.step();
    expect(bench.buffer.plainNext).toEqual(after(11));
  });

  test('is nothing while a packet waits, and after a reset', () => {
    const bench = new Bench();
    bench.insert(5);
    bench.step();
    bench.insert(7);
    expect(bench.buffer.plainNext).toBeUndefined();
    bench.insert(6);
    bench.step();
    bench.step();
    expect(bench.buffer.plainNext).toEqual(after(7));
    bench.buffer.reset();
    expect(bench.buffer.plainNext).toBeUndefined();
  });

  test('may be made up for longer where the source pauses, and not for ever', () => {
    const bench = new Bench();
    bench.insert(5, { payload: Uint8Array.of(0xf8, 0) });
    bench.step();
    const most = limits.comfortMsMax * ms;
    expect(bench.buffer.pauses).toBe(true);
    expect(bench.buffer.plainNext).toMatchObject({ nextSeq: 6, concealFramesMax: most });
    bench.buffer.passConcealed(most);
    expect(bench.buffer.plainNext).toBeUndefined();
    expect(bench.step(true).action).toBe('rest');
    bench.insert(6, { mediaTime: 6 * frame + most });
    bench.step();
    expect(bench.buffer.pauses).toBe(false);
    expect(bench.buffer.plainNext).toMatchObject({ concealFramesMax: limits.concealMsMax * ms });
  });

  test('moves on with what was made up, and with the card’s own silence', () => {
    const bench = new Bench();
    bench.insert(5);
    bench.step();
    bench.step(true);
    expect(bench.buffer.plainNext).toMatchObject({ nextSeq: 6, playTime: 6 * frame + 5 * ms });
    bench.buffer.skip(7);
    expect(bench.buffer.plainNext).toMatchObject({
      nextSeq: 6,
      playTime: 6 * frame + 5 * ms + 7,
    });
  });

  test('wraps its number', () => {
    const bench = new Bench();
    bench.insert(0xffff_ffff, { mediaTime: 0 });
    bench.step();
    expect(bench.buffer.plainNext).toMatchObject({ nextSeq: 0, playTime: frame });
  });

  test('may pass by, and all that follows is as if it had come', () => {
    const [passed, came] = [new Bench(), new Bench()];
    for (const bench of [passed, came]) {
      bench.insert(0);
      bench.step();
      // Late for a while: that is forgotten with what is in time.
      bench.insert(0, { mediaTime: -frame }, frame, 10);
    }
    for (let seq = 1; seq < 40; seq++) {
      passed.buffer.pass(received(seq), frame);
      came.insert(seq);
      came.step();
    }
    for (const bench of [passed, came]) {
      expect(bench.buffer.plainNext).toEqual(after(39));
      expect(bench.buffer.playTime).toBe(40 * frame);
      // Copies are told from what is late.
      expect(bench.insert(39)).toBe('duplicate_packet');
      expect(bench.insert(10)).toBe('duplicate_packet');
      expect(bench.insert(2)).toBe('late_packet');
      // A gap is filled from there.
      bench.insert(41);
      expect(bench.step(true)).toMatchObject({ action: 'fec', seq: 41, frames: frame });
    }
    expect(passed.step()).toEqual(came.step());
  });

  test('is that packet and no other', () => {
    const bench = new Bench();
    bench.insert(0);
    bench.step();
    expect(() => bench.buffer.pass(received(2), frame)).toThrow('the packet that was next');
  });
});
