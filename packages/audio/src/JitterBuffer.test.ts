import { type AudioPacket, mediaRate, packetFlags } from '@kvm-audio/protocol';
import {
  conceal,
  decode,
  fec,
  frame,
  JitterBench,
  limits,
  received,
} from '../../../test/helpers/JitterBench.js';
import type { PlainNext } from './JitterBuffer.js';

const ms = mediaRate / 1000;

describe('a jitter buffer', () => {
  test('gives packets out in order as they come, the first as a new timeline', () => {
    const bench = new JitterBench();
    for (let seq = 0; seq < 50; seq++) {
      expect(bench.insert(seq)).toBeUndefined();
      expect(bench.steps()).toEqual([decode(seq, 0, seq === 0)]);
    }
    expect(bench.pool.stats()).toMatchObject({ peak: 1, inUse: 0 });
  });

  test('hands over what the packet held, from memory of its own', () => {
    const bench = new JitterBench();
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
    const bench = new JitterBench();
    bench.insert(5_000_000);
    bench.insert(5_000_001);
    expect(bench.steps()).toEqual([decode(5_000_000, 0, true), decode(5_000_001)]);
  });

  test('makes nothing up before the first packet', () => {
    const bench = new JitterBench();
    expect(bench.step(true).action).toBe('wait');
    bench.buffer.skip(frame);
    bench.insert(0);
    expect(bench.emptied()).toEqual([decode(0, 0, true)]);
  });

  test('puts packets that came in another order in order', () => {
    const bench = new JitterBench().started();
    bench.insert(3);
    bench.insert(2);
    expect(bench.steps()).toEqual([]);
    expect(bench.buffer.queuedFrames).toBe(2 * frame);
    bench.insert(1);
    expect(bench.steps()).toEqual([decode(1), decode(2), decode(3)]);
  });

  test('drops a packet that waits here already, and keeps no slot for it', () => {
    const bench = new JitterBench().started();
    bench.insert(2);
    bench.insert(3);
    expect(bench.insert(2)).toBe('duplicate_packet');
    expect(bench.pool.stats().inUse).toBe(2);
    expect(bench.buffer.queuedFrames).toBe(2 * frame);
  });

  test('drops a packet that was played already', () => {
    const bench = new JitterBench().started();
    expect(bench.insert(0)).toBe('duplicate_packet');
    expect(bench.insert(0, { mediaTime: -10 })).toBe('late_packet');
    expect(bench.pool.stats().inUse).toBe(0);
  });

  test('goes on over the wrap of seq as if nothing were', () => {
    const bench = new JitterBench();
    const last = 0xffff_ffff;
    bench.insert(last - 1, { mediaTime: 0 });
    bench.insert(last, { mediaTime: frame });
    bench.insert(0, { mediaTime: 2 * frame });
    bench.insert(1, { mediaTime: 3 * frame });
    expect(bench.steps().map(({ seq }) => seq)).toEqual([last - 1, last, 0, 1]);
  });

  test('sees a loss at the wrap of seq', () => {
    const bench = new JitterBench();
    bench.insert(0xffff_fffe, { mediaTime: 0 });
    bench.insert(0, { mediaTime: 2 * frame });
    expect(bench.steps()).toHaveLength(1);
    expect(bench.emptied()).toEqual([fec(0), decode(0)]);
  });
});

describe('a jump of media time', () => {
  test('without a missing packet is taken at once', () => {
    const bench = new JitterBench().started();
    bench.insert(1, { mediaTime: 2 * frame });
    expect(bench.steps()).toEqual([decode(1, 0, true)]);
  });

  test('without a missing packet is seen over the wrap of seq too', () => {
    const bench = new JitterBench();
    bench.insert(0xffff_ffff, { mediaTime: 0 });
    bench.steps();
    bench.insert(0, { mediaTime: 3 * frame });
    expect(bench.steps()).toEqual([decode(0, 0, true)]);
  });

  test('that is announced is taken at once, whatever is missing', () => {
    const bench = new JitterBench().started();
    bench.insert(2, { flags: packetFlags.discontinuity });
    expect(bench.steps()).toEqual([decode(2, 0, true)]);
  });

  test('backwards that is announced is taken at once and whole', () => {
    const bench = new JitterBench();
    bench.insert(1_000);
    bench.steps();
    expect(bench.insert(1_001, { mediaTime: 7, flags: packetFlags.discontinuity })).toBeUndefined();
    bench.insert(1_002, { mediaTime: 7 + frame });
    expect(bench.steps()).toEqual([decode(1_001, 0, true), decode(1_002)]);
  });

  test('backwards that is not announced is followed when it has lasted', () => {
    const bench = new JitterBench();
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
    const bench = new JitterBench().started();
    bench.buffer.skip(1_000 * ms);
    const backlog = Array.from({ length: 45 }, (_, i) => bench.insert(1 + i, {}, frame, i * 4));
    expect(backlog).toEqual(Array(45).fill('late_packet'));
  });

  test('is not seen in late packets with good ones among them', () => {
    const bench = new JitterBench().started();
    for (let seq = 1; seq < 40; seq++) {
      const nowMs = seq * 20;
      expect(bench.insert(seq, {}, frame, nowMs)).toBeUndefined();
      expect(bench.steps()).toEqual([decode(seq)]);
      const late = { mediaTime: (seq - 1) * frame - 10 };
      expect(bench.insert(seq - 1, late, frame, nowMs)).toBe('late_packet');
    }
  });

  test('gives the slots of the old timeline back', () => {
    const bench = new JitterBench();
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
    const bench = new JitterBench().started();
    bench.buffer.skip(7 * ms);
    bench.insert(1);
    bench.insert(2);
    expect(bench.steps()).toEqual([decode(1, 7 * ms), decode(2)]);
  });

  test('makes a packet late whose time has passed', () => {
    const bench = new JitterBench().started();
    bench.buffer.skip(frame + 1);
    expect(bench.insert(1)).toBe('late_packet');
    bench.insert(2);
    expect(bench.steps()).toEqual([decode(2, 1)]);
  });

  test('that is longer than what waits is taken from one packet after another', () => {
    const bench = new JitterBench().started();
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
    const bench = new JitterBench().started();
    expect(bench.step(true)).toEqual(conceal(5 * ms));
    bench.buffer.skip(15 * ms);
    expect(bench.insert(1)).toBe('late_packet');
    bench.insert(2);
    expect(bench.steps()).toEqual([decode(2)]);
  });
});

describe('what would go straight through', () => {
  const after = (seq: number): PlainNext => ({
    nextSeq: seq + 1,
    playTime: (seq + 1) * frame,
    concealFrames: 5 * ms,
    concealFramesMax: limits.concealMsMax * ms,
  });

  test('is the packet behind the one that was taken last', () => {
    const bench = new JitterBench();
    expect(bench.buffer.plainNext).toBeUndefined();
    bench.insert(5);
    expect(bench.buffer.plainNext).toBeUndefined();
    bench.step();
    expect(bench.buffer.plainNext).toEqual(after(5));
    expect(bench.buffer.packetFrames).toBe(frame);
  });

  test('is waited for no longer than what is made up for it lasts', () => {
    const bench = new JitterBench();
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
    const bench = new JitterBench();
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
    const bench = new JitterBench();
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
    const bench = new JitterBench();
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
    const bench = new JitterBench();
    bench.insert(0xffff_ffff, { mediaTime: 0 });
    bench.step();
    expect(bench.buffer.plainNext).toMatchObject({ nextSeq: 0, playTime: frame });
  });

  test('may pass by, and all that follows is as if it had come', () => {
    const [passed, came] = [new JitterBench(), new JitterBench()];
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
    const bench = new JitterBench();
    bench.insert(0);
    bench.step();
    expect(() => bench.buffer.pass(received(2), frame)).toThrow('the packet that was next');
  });
});

describe('a media time that stood still', () => {
  const frameUs = 20_000;
  /** Packet 0 was given out, and so much silence since. */
  const passed = (frames: number, first = {}): JitterBench => {
    const bench = new JitterBench();
    bench.insert(0, { captureTimeUs: 0, ...first });
    bench.steps();
    bench.buffer.skip(frames);
    return bench;
  };
  /** Whether that begins a new timeline. */
  const isFollowed = ({ buffer }: JitterBench, seq: number, changed: Partial<AudioPacket>) => {
    buffer.followStandstill(received(seq, changed));
    return buffer.playTime === undefined;
  };
  const next = { captureTimeUs: 4 * frameUs };

  test('is told by the capture time: it has moved on by more than what is late', () => {
    const bench = passed(3 * frame);
    expect(isFollowed(bench, 1, { captureTimeUs: frameUs })).toBe(false);
    expect(isFollowed(bench, 1, { captureTimeUs: 4 * frameUs - 1 })).toBe(false);
    expect(isFollowed(bench, 1, next)).toBe(true);
  });

  test('is none where a packet is missing, or nothing is late', () => {
    const bench = passed(3 * frame);
    expect(isFollowed(bench, 2, next)).toBe(false);
    expect(isFollowed(bench, 1, { ...next, mediaTime: 4 * frame })).toBe(false);
  });

  test('is none of less than a packet: clocks are read at uneven times', () => {
    const bench = passed(frame / 4);
    expect(isFollowed(bench, 1, { captureTimeUs: 2 * frameUs - 1 })).toBe(false);
    expect(isFollowed(bench, 1, { captureTimeUs: 2 * frameUs })).toBe(true);
  });

  test('is one behind an announced pause, where no capture time is told', () => {
    const untimed = { captureTimeUs: undefined };
    const announced = { ...untimed, flags: packetFlags.dtx };
    const paused = passed(frame, announced);
    expect(isFollowed(paused, 1, { ...untimed, mediaTime: frame + 1 })).toBe(false);
    expect(isFollowed(paused, 1, untimed)).toBe(true);
    expect(isFollowed(passed(frame, announced), 1, next)).toBe(true);
    expect(isFollowed(passed(frame, untimed), 1, untimed)).toBe(false);
  });

  test('is compared with the packet that was taken last, wherever that was played', () => {
    const bench = passed(0);
    bench.buffer.pass(received(1, { captureTimeUs: 9 * frameUs }), frame);
    bench.buffer.skip(3 * frame);
    expect(isFollowed(bench, 2, { captureTimeUs: 12 * frameUs })).toBe(false);
    expect(isFollowed(bench, 2, { captureTimeUs: 13 * frameUs })).toBe(true);
  });
});
