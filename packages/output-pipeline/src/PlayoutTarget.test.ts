import { type AudioPacket, mediaRate, packetFlags } from '@kvm-audio/protocol';
import { Random } from '../../../test/helpers/random.js';
import { receivedPacket } from '../../../test/helpers/receivedPacket.js';
import { PlayoutTarget, type PlayoutTargetOptions } from './PlayoutTarget.js';

const ms = mediaRate / 1000;
const frameMs = 20;

/** A target that sees a packet a frame, each as late as it is told. */
class Bench {
  readonly target: PlayoutTarget;
  readonly #local: boolean;
  #seq = 0;
  #timeMs = 5_000;

  constructor(options: Partial<PlayoutTargetOptions> = {}, local = false) {
    this.target = new PlayoutTarget({ fixedMs: undefined, mostMs: 150, ...options });
    this.#local = local;
  }

  get goalMs(): number {
    return this.target.goalFrames / ms;
  }

  packet(lateMs: number, changed: Partial<AudioPacket> = {}, eachMs = frameMs): number | undefined {
    const atUs = this.#timeMs * 1_000;
    const packet = receivedPacket({
      seq: this.#seq,
      mediaTime: this.#timeMs * ms,
      captureTimeUs: this.#local ? atUs : undefined,
      flags: 0,
      payload: Buffer.alloc(3),
      ...changed,
    });
    this.#seq += 1;
    this.#timeMs += eachMs;
    return this.target.observe(packet, eachMs * ms, atUs + lateMs * 1_000);
  }

  seconds(seconds: number, lateMs: (index: number) => number = () => 0): this {
    for (let i = 0; i < (seconds * 1_000) / frameMs; i++) this.packet(lateMs(i));
    return this;
  }
}

describe('the playout target', () => {
  test('starts at 10 ms for a source on this machine, at 20 ms for another', () => {
    expect(new Bench({}, true).seconds(5).goalMs).toBe(10);
    expect(new Bench({}, false).seconds(5).goalMs).toBe(20);
  });

  test('falls to its least without any lateness, by 2 ms a second or more', () => {
    const bench = new Bench().seconds(10.1);
    const before = bench.goalMs;
    bench.seconds(2);
    expect(before - bench.goalMs).toBeGreaterThanOrEqual(4);
    expect(bench.seconds(60).goalMs).toBe(7);
  });

  test.each([
    { each: 60, leastMs: 13.3 },
    { each: 40, leastMs: 10.7 },
    { each: 20, leastMs: 8.1 },
    { each: 10, leastMs: 6.8 },
    { each: 5, leastMs: 6.15 },
    { each: 2.5, leastMs: 5.83 },
  ])('falls to $leastMs ms for a source on this machine with frames of $each', (row) => {
    const bench = new Bench({}, true);
    for (let i = 0; i < 70_000 / row.each; i++) bench.packet(0, {}, row.each);
    expect(bench.goalMs).toBeCloseTo(row.leastMs, 1);
  });

  test.each([
    { each: 60, slackMs: 1 },
    { each: 10, slackMs: 1 },
    { each: 5, slackMs: 0.5 },
    { each: 2.5, slackMs: 0.5 },
  ])('leaves $slackMs ms too much alone with frames of $each', ({ each, slackMs }) => {
    const bench = new Bench({}, true);
    bench.packet(0, {}, each);
    expect(bench.target.slackFrames).toBe(slackMs * ms);
  });

  test('covers all but one packet in 200', () => {
    const random = new Random(1);
    const bench = new Bench().seconds(120, () => 30 * random.next());
    expect(bench.goalMs).toBeGreaterThan(30 + 5);
    expect(bench.goalMs).toBeLessThan(30 + 5 + 3);
  });

  test('does not follow a packet that is late alone, and follows the second at once', () => {
    const bench = new Bench().seconds(30);
    const calm = bench.goalMs;
    bench.packet(80);
    expect(bench.seconds(5).goalMs).toBeLessThanOrEqual(calm);
    bench.packet(70);
    expect(bench.goalMs).toBeGreaterThan(70 + 5);
    expect(bench.goalMs).toBeLessThan(70 + 5 + 2);
    expect(bench.seconds(50).goalMs).toBeGreaterThan(70);
    expect(bench.seconds(60).goalMs).toBe(7);
  });

  test('lets a source on this machine be late ten times a minute before it follows', () => {
    const bench = new Bench({}, true).seconds(30);
    const calm = bench.goalMs;
    for (let i = 0; i < 10; i++) {
      bench.packet(14);
      bench.seconds(4);
    }
    expect(bench.goalMs).toBeLessThanOrEqual(calm);
    bench.packet(14);
    expect(bench.goalMs).toBeCloseTo(14 + 1 + 3.5, 5);
  });

  test('follows what is very late on this machine only where that happens often', () => {
    const late = (each: number): number =>
      new Bench({}, true).seconds(90, (index) => (index % each === 0 ? 40 : 0)).goalMs;
    expect(late(50)).toBe(16 + 1 + 3.5);
    expect(late(9)).toBeGreaterThan(40 + 3);
  });

  test('takes packets that were held up together as one that is late', () => {
    const bench = new Bench().seconds(30);
    for (let late = 100; late > 0; late -= frameMs) bench.packet(late);
    expect(bench.seconds(5).goalMs).toBeLessThan(20);
  });

  // As they came from a client that was stopped for 200 ms, on a busy machine.
  test.each([
    [198.4, 179.1, 162.1, 143, 123.5, 104.1, 84.5, 65.3, 45.7, 40.8, 21.1, 4.7],
    [187.4, 168, 152.1, 132.4, 112.6, 100.5, 80.9, 80.4, 60.8, 61.2, 41.8, 22.1, 20.7],
  ])('learns nothing from a backlog that comes bit by bit after a stall', (...backlog) => {
    const bench = new Bench({}, true).seconds(30);
    const calm = bench.goalMs;
    for (let i = 0; i < 5; i++) {
      for (const late of backlog) bench.packet(late);
      expect(bench.seconds(3).goalMs).toBe(calm);
    }
  });

  test('takes the next packet as one of its own, where it was due behind the last', () => {
    const bench = new Bench({}, true).seconds(30);
    for (let i = 0; i < 5; i++) {
      for (const late of [14, 0, 14]) bench.packet(late);
      bench.seconds(1);
    }
    expect(bench.goalMs).toBeGreaterThanOrEqual(14 + 1 + 3.5);
  });

  test('does not chase what it may not cover', () => {
    const bench = new Bench({ mostMs: 60 }).seconds(30);
    for (let i = 0; i < 20; i++) bench.seconds(1, (index) => (index === 10 ? 200 : 0));
    expect(bench.goalMs).toBe(7);
    const jittery = new Bench({ mostMs: 60 }).seconds(30, (index) => (index % 9 === 0 ? 54 : 0));
    expect(jittery.goalMs).toBe(60);
  });

  test('that is fixed stays, whatever comes, but above the low water', () => {
    const bench = new Bench({ fixedMs: 40 });
    bench.seconds(30, (index) => (index % 9 === 0 ? 100 : 0));
    expect(bench.goalMs).toBe(40);
    expect(bench.target.leastFrames).toBe(40 * ms);
    expect(new Bench({ fixedMs: 3 }).seconds(1).goalMs).toBe(7);
  });

  test('that is fixed under the least goal is that of the frames that come', () => {
    const bench = new Bench({ fixedMs: 5 }, true);
    const goal = (eachMs: number): number => {
      bench.packet(0, {}, eachMs);
      expect(bench.target.goalFrames).toBe(bench.target.leastGoalFrames);
      return bench.goalMs;
    };
    expect([10, 20, 10].map(goal)).toEqual([6.8, 8.1, 6.8].map((each) => expect.closeTo(each, 1)));
  });

  test('sees no lateness in a clock that is off by 300 ppm', () => {
    const bench = new Bench().seconds(120, (index) => index * frameMs * 300e-6);
    expect(bench.goalMs).toBeLessThan(9);
  });

  test.each([
    [10, 20],
    [20, 10],
  ])('sees no lateness where frames of %d ms become frames of %d', (before, after) => {
    const bench = new Bench();
    for (let i = 0; i < 400; i++) bench.packet(before, {}, before);
    // A packet comes when its last sample was captured.
    for (let i = 0; i < 400; i++) expect(bench.packet(after, {}, after)).toBeCloseTo(0, 3);
  });

  test('sees no lateness where media time jumps by announcement', () => {
    const bench = new Bench().seconds(30);
    const late = bench.packet(0, { flags: packetFlags.discontinuity, mediaTime: 0 });
    expect(late).toBe(0);
  });

  test('knows copies, out of order and across the wrap, and learns nothing of them', () => {
    const bench = new Bench();
    const near = 2 ** 32 - 2;
    expect(bench.packet(0, { seq: near })).toBeDefined();
    expect(bench.packet(0, { seq: near + 1 })).toBeDefined();
    expect(bench.packet(0, { seq: 1 })).toBeDefined();
    expect(bench.packet(0, { seq: 0 })).toBeDefined();
    for (const seq of [near, near + 1, 0, 1]) expect(bench.packet(0, { seq })).toBeUndefined();
  });

  test('forgets all with its source', () => {
    const bench = new Bench().seconds(30, (index) => (index % 20 === 0 ? 60 : 0));
    expect(bench.goalMs).toBeGreaterThan(60);
    bench.target.reset();
    expect(bench.seconds(1).goalMs).toBe(20);
  });
});
