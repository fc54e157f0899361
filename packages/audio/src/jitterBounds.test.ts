import { mediaRate } from '@kvm-audio/protocol';
import { decode, frame, JitterBench, type Said } from '../../../test/helpers/JitterBench.js';
import { Random } from '../../../test/helpers/random.js';
import type { JitterBufferLimits } from './jitterBufferLimits.js';

const ms = mediaRate / 1000;

describe('the bounds', () => {
  test('in time: the oldest goes, is counted, and is not waited for', () => {
    const bench = new JitterBench().started();
    for (let seq = 2; seq <= 11; seq++) expect(bench.insert(seq)).toBeUndefined();
    expect(bench.buffer.queuedFrames).toBe(200 * ms);
    expect(bench.insert(12)).toBe('jitter_overflow');
    expect(bench.buffer.queuedFrames).toBe(200 * ms);
    expect(bench.steps().map(({ action, seq }) => [action, seq])).toEqual(
      Array.from({ length: 10 }, (_, i) => ['decode', i + 3]),
    );
  });

  test('in packets: the oldest goes', () => {
    const bench = new JitterBench({ packetsMax: 4 });
    const short = 2.5 * ms;
    bench.insert(0, {}, short);
    bench.steps();
    for (let seq = 2; seq <= 5; seq++) expect(bench.insert(seq, {}, short)).toBeUndefined();
    expect(bench.insert(6, {}, short)).toBe('jitter_overflow');
    expect(bench.steps().map(({ seq }) => seq)).toEqual([3, 4, 5, 6]);
    bench.assertAllHome();
  });

  test('hold for a packet that belongs in front of all others', () => {
    const bench = new JitterBench({ packetsMax: 3 }).started();
    for (const seq of [3, 4, 5]) bench.insert(seq);
    bench.insert(2);
    expect(bench.pool.stats().inUse).toBeLessThanOrEqual(3);
    bench.assertAllHome();
  });

  test('drop a packet for which there is no slot', () => {
    const bench = new JitterBench({ packetsMax: 3 });
    const taken = Array.from({ length: 4 }, () => bench.pool.acquire());
    expect(bench.insert(0)).toBe('pool_empty');
    expect(bench.buffer.queuedFrames).toBe(0);
    for (const slot of taken) slot?.release();
    bench.assertAllHome();
  });

  test('give back every slot when it is reset, and start anew', () => {
    const bench = new JitterBench().started();
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
  const waiting = (bench: JitterBench): (number | undefined)[] =>
    bench.steps().map(({ seq }) => seq);

  test('bounds what waits', () => {
    const bench = new JitterBench().started();
    expect(bench.buffer.resize(4, { goalFrames: target })).toBe(0);
    for (let seq = 2; seq <= 5; seq++) expect(bench.insert(seq)).toBeUndefined();
    expect(bench.insert(6)).toBe('jitter_overflow');
    expect(bench.buffer.queuedFrames).toBe(4 * frame);
    expect(waiting(bench)).toEqual([3, 4, 5, 6]);
    bench.assertAllHome();
  });

  test('that shrinks lets the oldest go at once, and says how many', () => {
    const bench = new JitterBench().started();
    for (let seq = 2; seq <= 11; seq++) bench.insert(seq);
    expect(bench.buffer.resize(3, { goalFrames: target })).toBe(7);
    expect(bench.pool.stats().inUse).toBe(3);
    expect(waiting(bench)).toEqual([9, 10, 11]);
    bench.assertAllHome();
  });

  test('that grows lets more wait than any time that is fixed', () => {
    const bench = new JitterBench({ packetsMax: 30 }).started();
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
    const bench = new JitterBench();
    bench.buffer.resize(packets, { goalFrames: targetMs * ms });
    expect(bench.buffer.capacityFrames(packetMs * ms)).toBe(roomMs * ms);
  });

  test('is one of packets as they come', () => {
    const bench = new JitterBench({ packetsMax: 30 }).started();
    bench.buffer.resize(4, { goalFrames: target });
    for (let seq = 2; seq <= 5; seq++) bench.insert(seq);
    const short = 10 * ms;
    expect(bench.insert(12, {}, short)).toBe('jitter_overflow');
    expect(bench.buffer.queuedFrames).toBeLessThanOrEqual(4 * short);
    bench.assertAllHome();
  });

  test('is never more than there are slots', () => {
    const bench = new JitterBench({ packetsMax: 4 }).started();
    bench.buffer.resize(10, { goalFrames: target });
    for (let seq = 2; seq <= 5; seq++) expect(bench.insert(seq)).toBeUndefined();
    expect(bench.insert(6)).toBe('jitter_overflow');
    expect(bench.pool.stats().inUse).toBe(4);
    expect(bench.buffer.resize(10, { goalFrames: target })).toBe(0);
    bench.assertAllHome();
  });

  test('is not less than the newest packet', () => {
    const bench = new JitterBench().started();
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
    readonly bench = new JitterBench(traceLimits);
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
