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

const ms = mediaRate / 1000;

/** SILK, 20 ms, mono: a voice flag, then that of the redundancy. */
const withRedundancy = Uint8Array.of(0x48, 0b0100_0000, 0xbb);

describe('a missing packet', () => {
  test('is waited for until the card needs audio, then taken from the next one', () => {
    const bench = new JitterBench().started();
    bench.insert(2);
    expect(bench.steps()).toEqual([]);
    expect(bench.emptied()).toEqual([fec(2), decode(2)]);
    expect(bench.pool.stats().inUse).toBe(0);
  });

  test('that was made up in part is taken from the next one for the rest alone', () => {
    const bench = new JitterBench().started();
    expect(bench.step(true)).toEqual(conceal(5 * ms));
    expect(bench.step(true)).toEqual(conceal(5 * ms));
    bench.insert(2, { payload: withRedundancy });
    expect(bench.emptied()).toEqual([fec(2, frame, 10 * ms), decode(2)]);
  });

  test('that was made up in part is made up further where the next one does not tell it', () => {
    const bench = new JitterBench().started();
    expect(bench.step(true)).toEqual(conceal(5 * ms));
    expect(bench.step(true)).toEqual(conceal(5 * ms));
    bench.insert(2);
    expect(bench.emptied()).toEqual([conceal(5 * ms), conceal(5 * ms), decode(2)]);
  });

  test.each([2, 3, 4, 5])('that is one of %i is made up but for the last', (missing) => {
    const bench = new JitterBench().started();
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
    const bench = new JitterBench().started();
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
    const bench = new JitterBench().started();
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
    const bench = new JitterBench().started();
    bench.insert(2);
    expect(bench.steps()).toEqual([]);
    bench.insert(1);
    expect(bench.emptied().slice(0, 2)).toEqual([decode(1), decode(2)]);
  });

  test('that comes after a part was made up is played from there on', () => {
    const bench = new JitterBench().started();
    expect(bench.step(true)).toEqual(conceal(5 * ms));
    expect(bench.insert(1)).toBeUndefined();
    expect(bench.steps()).toEqual([decode(1, 5 * ms)]);
  });

  test('that was decoded already is a copy, not a late one; what was made up is late', () => {
    const bench = new JitterBench().started();
    bench.insert(1);
    expect(bench.steps()).toEqual([decode(1)]);
    expect([bench.insert(0), bench.insert(1)]).toEqual(['duplicate_packet', 'duplicate_packet']);
    for (let i = 0; i < 4; i++) bench.step(true);
    expect(bench.insert(2)).toBe('late_packet');
    expect(bench.insert(3)).toBeUndefined();
    expect(bench.steps()).toEqual([decode(3)]);
  });

  test('that comes after all of it was made up is late', () => {
    const bench = new JitterBench().started();
    for (let i = 0; i < 4; i++) expect(bench.step(true)).toEqual(conceal(5 * ms));
    expect(bench.insert(1)).toBe('late_packet');
    expect(bench.insert(2)).toBeUndefined();
    expect(bench.steps()).toEqual([decode(2)]);
  });

  test('that comes too late may be decoded unheard where it is next in order', () => {
    const bench = new JitterBench().started();
    const late = (seq: number): boolean => bench.buffer.passLate(received(seq));
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
    const bench = new JitterBench().started();
    const said = bench.steps(true);
    expect(said.reduce((sum, { frames }) => sum + frames, 0)).toBe(100 * ms);
    expect(bench.step(true).action).toBe('wait');
  });

  test('may be made up again after the next packet', () => {
    const bench = new JitterBench().started();
    bench.steps(true);
    bench.insert(6);
    expect(bench.step()).toEqual(decode(6));
    expect(bench.step(true)).toEqual(conceal(5 * ms));
  });

  test('in a gap of the longest length that is filled is waited for', () => {
    const bench = new JitterBench().started();
    bench.insert(6);
    expect(bench.step().action).toBe('wait');
    bench.insert(7);
    expect(bench.step().action).toBe('wait');
  });

  test('in a longer gap is skipped at once: a new timeline', () => {
    const bench = new JitterBench().started();
    bench.insert(7);
    expect(bench.steps()).toEqual([decode(7, 0, true)]);
  });
});

describe('a pause that the source has announced', () => {
  const announced: [string, Partial<AudioPacket>][] = [
    ['by the flag', { flags: packetFlags.dtx }],
    ['by a packet of two bytes', { payload: Uint8Array.of(0, 0) }],
  ];

  function paused(changed: Partial<AudioPacket>): JitterBench {
    const bench = new JitterBench();
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

  test('ends with the next packet over the wrap of seq too', () => {
    const bench = new JitterBench();
    bench.insert(2 ** 32 - 1, { mediaTime: 0, flags: packetFlags.dtx });
    bench.steps();
    for (let i = 0; i < 40; i++) bench.step(true);
    bench.insert(0, { mediaTime: frame + 205 * ms });
    expect(bench.step()).toEqual(conceal(5 * ms));
    expect(bench.step()).toEqual(decode(0));
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
