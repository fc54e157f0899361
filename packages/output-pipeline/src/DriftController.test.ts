import { mediaRate } from '@kvm-audio/protocol';
import { Random } from '../../../test/helpers/random.js';
import { DriftController } from './DriftController.js';

// Jest gives each file its own globals and looks them up by name: too slow for once a packet.
const { max, min } = Math;
const ms = mediaRate / 1000;
const goalMs = 10;
/** Long ones, so that a day is quick. */
const packetMs = 60;

/** Two clocks, the controller between them, in simulated time. */
class Clocks {
  readonly controller = new DriftController();
  readonly #random = new Random(7);
  marginMs = goalMs;
  nowS = 0;
  corrections = 0;

  /**
   * @param ppm of the source against the card, by time
   * @param jitterMs each packet is later by up to so much, one in a hundred by ten times that
   * @returns the extremes of the margin of a packet in the middle of them, and of the correction
   */
  run(seconds: number, ppm: (s: number) => number, jitterMs = 0) {
    const seen = { least: Infinity, most: -Infinity, leastPpm: Infinity, mostPpm: -Infinity };
    const end = this.nowS + seconds;
    let before = this.controller.correctionPpm;
    for (; this.nowS < end; this.nowS += packetMs / 1000) {
      const { correctionPpm } = this.controller;
      this.marginMs += ((ppm(this.nowS) - correctionPpm) * packetMs) / 1e6;
      const late = jitterMs * this.#random.next() * (this.#random.chance(0.01) ? 10 : 1);
      this.controller.observe((this.marginMs - late) * ms, this.nowS * 1e6);
      if (correctionPpm !== before) this.corrections += 1;
      before = correctionPpm;
      const usualMs = this.marginMs - 0.5 * jitterMs;
      seen.least = min(seen.least, usualMs);
      seen.most = max(seen.most, usualMs);
      seen.leastPpm = min(seen.leastPpm, correctionPpm);
      seen.mostPpm = max(seen.mostPpm, correctionPpm);
    }
    return seen;
  }
}

describe('24 hours', () => {
  test.each([300, -300])('at %i ppm keep the margin within 2 ms', (ppm) => {
    const clocks = new Clocks();
    const { least, most } = clocks.run(24 * 3600, () => ppm, 0.5);
    expect(least).toBeGreaterThan(goalMs - 2);
    expect(most).toBeLessThan(goalMs + 2);
  });

  test('with crystals that warm up and cool down, and a busy machine, too', () => {
    const clocks = new Clocks();
    const ppm = (s: number): number => 250 + 50 * Math.sin((2 * Math.PI * s) / 3600);
    const { least, most, leastPpm, mostPpm } = clocks.run(24 * 3600, ppm, 1);
    expect(least).toBeGreaterThan(goalMs - 2);
    expect(most).toBeLessThan(goalMs + 2);
    expect(leastPpm).toBeGreaterThanOrEqual(0);
    expect(mostPpm).toBeLessThan(700);
  });

  test('with the same clock twice never need the resampler', () => {
    const clocks = new Clocks();
    clocks.run(24 * 3600, () => 0, 0.5);
    expect(clocks.corrections).toBe(0);
  });
});

test('no pace begins with what is told late: it would hold from another time than is believed', () => {
  const controller = new DriftController();
  const see = (fromS: number, untilS: number, marginMs: number, isLive: boolean): void => {
    for (let s = fromS; s < untilS; s += 0.02) controller.observe(marginMs * ms, s * 1e6, isLive);
  };
  see(0, 3, goalMs, true);
  expect(controller.isAtRest).toBe(true);
  see(3, 7, goalMs + 2, false);
  expect([controller.isAtRest, controller.correctionPpm]).toEqual([false, 0]);
  see(7, 9, goalMs + 2, true);
  expect(controller.correctionPpm).toBeGreaterThan(100);
  controller.begin();
  see(20, 22, goalMs, true);
  controller.shift(-5 * ms);
  see(22, 25, goalMs, false);
  expect([controller.isShifting, controller.correctionPpm]).toEqual([true, 0]);
  see(25, 27, goalMs, true);
  expect(controller.correctionPpm).toBeGreaterThan(1_000);
});

test.each([900, -900])('clocks that part by %i ppm are no steps: they are followed', (ppm) => {
  const clocks = new Clocks();
  clocks.run(60, () => ppm, 1);
  expect(Math.abs((clocks.controller.driftPpm ?? Number.NaN) - ppm)).toBeLessThan(10);
  expect(Math.abs(clocks.controller.correctionPpm - ppm)).toBeLessThan(100);
});

describe('the drift that it tells', () => {
  test.each([300, -300, 40, 0])('is right to 5 ppm after two minutes: %i ppm', (ppm) => {
    const clocks = new Clocks();
    clocks.run(120, () => ppm, 1);
    expect(Math.abs((clocks.controller.driftPpm ?? Number.NaN) - ppm)).toBeLessThan(5);
  });

  test('is not that of a shift, and the resampler that makes it is soon let go', () => {
    const clocks = new Clocks();
    clocks.run(5, () => 0, 0.5);
    clocks.controller.shift(-8 * ms);
    clocks.run(40, () => 0, 0.5);
    expect(Math.abs(clocks.controller.driftPpm ?? Number.NaN)).toBeLessThan(5);
    clocks.run(20, () => 0, 0.5);
    expect(clocks.controller.correctionPpm).toBe(0);
    expect(clocks.marginMs).toBeCloseTo(goalMs - 8, 0);
  });

  test('is not moved by a step that nobody told of', () => {
    const clocks = new Clocks();
    clocks.run(80, () => 40, 0.5);
    clocks.marginMs += 12;
    clocks.run(40, () => 40, 0.5);
    expect(Math.abs((clocks.controller.driftPpm ?? Number.NaN) - 40)).toBeLessThan(5);
    expect(clocks.marginMs).toBeCloseTo(goalMs + 12, 0);
  });

  test.each([60, 600, 7_200])(
    'is not moved by a rest of %i s, in which no pace took effect',
    (rest) => {
      const clocks = new Clocks();
      clocks.run(300, () => 300, 0.5);
      clocks.controller.step();
      clocks.nowS += rest;
      for (let looks = 0; looks < 8; looks++) {
        clocks.run(20, () => 300, 0.5);
        expect(Math.abs((clocks.controller.driftPpm ?? Number.NaN) - 300)).toBeLessThan(5);
      }
    },
  );

  test('is not known at once, and not after another source came', () => {
    const clocks = new Clocks();
    clocks.run(10, () => 300);
    expect(clocks.controller.driftPpm).toBeUndefined();
    clocks.run(60, () => 300);
    clocks.controller.begin();
    expect(clocks.controller.driftPpm).toBeUndefined();
    expect(clocks.controller.correctionPpm).toBe(0);
  });
});

describe('the resampler', () => {
  test('is bypassed while the margin is within 1 ms of where it shall be', () => {
    const clocks = new Clocks();
    clocks.run(2, () => 0);
    clocks.marginMs -= 0.9;
    clocks.run(60, () => 0);
    expect(clocks.corrections).toBe(0);
  });

  test.each([
    [3, 0],
    [8, 8],
  ])('is let go for clocks that part by %i ppm: its pace is near %i then', (ppm, heldPpm) => {
    const clocks = new Clocks();
    clocks.run(100, () => 60);
    expect(clocks.controller.correctionPpm).toBeGreaterThan(0);
    clocks.run(400, () => ppm);
    // A bypassed margin wanders until it is 1 ms off; one that is held stays.
    const { leastPpm, mostPpm } = clocks.run(60, () => ppm);
    expect(Math.abs(leastPpm - heldPpm)).toBeLessThan(1);
    expect(Math.abs(mostPpm - heldPpm)).toBeLessThan(1);
  });

  test('is left again when clocks have come to be alike', () => {
    const clocks = new Clocks();
    clocks.run(100, () => 60, 0.2);
    expect(clocks.controller.correctionPpm).toBeGreaterThan(0);
    clocks.run(200, () => 0, 0.2);
    expect(clocks.controller.correctionPpm).toBe(0);
    expect(Math.abs(clocks.marginMs - goalMs)).toBeLessThan(1);
  });

  test('is left at once after a shift between clocks that need none, known or not', () => {
    const clocks = new Clocks();
    for (const seconds of [5, 100]) {
      clocks.run(seconds, () => 0, 0.2);
      clocks.controller.shift(-3 * ms);
      const { mostPpm } = clocks.run(2, () => 0, 0.2);
      expect(mostPpm).toBeGreaterThan(2_000);
      clocks.run(2, () => 0, 0.2);
      expect(clocks.controller.correctionPpm).toBe(0);
    }
  });

  test('is back for clocks that do', () => {
    const clocks = new Clocks();
    clocks.run(2, () => 100);
    clocks.controller.shift(-3 * ms);
    clocks.run(100, () => 100);
    expect(Math.abs(clocks.controller.correctionPpm - 100)).toBeLessThan(5);
    expect(Math.abs(clocks.marginMs - (goalMs - 3))).toBeLessThan(1.5);
  });

  test('stays for clocks that are not', () => {
    const clocks = new Clocks();
    clocks.run(600, () => 20, 0.2);
    expect(Math.abs(clocks.controller.correctionPpm - 20)).toBeLessThan(60);
    expect(clocks.controller.correctionPpm).not.toBe(0);
  });
});

describe('a shift', () => {
  test('goes at 2 ms/s or more, without swinging over', () => {
    const clocks = new Clocks();
    clocks.run(2, () => 0);
    clocks.controller.shift(-15 * ms);
    expect(clocks.controller.isShifting).toBe(true);
    clocks.run(4, () => 0);
    expect(clocks.marginMs).toBeLessThan(goalMs - 2 * 1.5);
    const { least } = clocks.run(120, () => 0);
    expect(Math.abs(clocks.marginMs - (goalMs - 15))).toBeLessThan(1);
    expect(least).toBeGreaterThan(goalMs - 15 - 0.3);
    expect(clocks.controller.isShifting).toBe(false);
  });

  test('goes up as well', () => {
    const clocks = new Clocks();
    clocks.run(2, () => 0);
    clocks.controller.shift(5 * ms);
    const { most } = clocks.run(60, () => 0);
    expect(Math.abs(clocks.marginMs - (goalMs + 5))).toBeLessThan(1);
    expect(most).toBeLessThan(goalMs + 5.3);
  });

  test.each([-1, 1])('counts from where the margin is, not from where it is held: %d', (sign) => {
    const clocks = new Clocks();
    clocks.run(3, () => 0);
    clocks.marginMs += 0.9 * sign;
    clocks.run(3, () => 0);
    expect(clocks.corrections).toBe(0);
    clocks.controller.shift(-1.5 * sign * ms);
    clocks.run(60, () => 0);
    expect(Math.abs(clocks.marginMs - (goalMs - 0.6 * sign))).toBeLessThan(0.4);
  });

  test('does not wind the integral up, however long it takes', () => {
    const clocks = new Clocks();
    clocks.marginMs = 1_000;
    clocks.run(2, () => 0);
    clocks.controller.shift(-500 * ms);
    const { least } = clocks.run(180, () => 0);
    expect(least).toBeGreaterThan(500 - 0.3);
    expect(Math.abs(clocks.marginMs - 500)).toBeLessThan(1);
  });

  test('does not swing over after more drift than the integral may hold', () => {
    const clocks = new Clocks();
    const { most } = clocks.run(60, () => 1_500);
    expect(most).toBeGreaterThan(goalMs + 3);
    // Without its bound the integral would hold all of it, and swing over by what it gathered.
    const { least } = clocks.run(180, () => 0);
    expect(least).toBeGreaterThan(goalMs - 3);
    expect(Math.abs(clocks.marginMs - goalMs)).toBeLessThan(1);
  });

  test('is never faster than 0.5 %', () => {
    const clocks = new Clocks();
    clocks.marginMs = 1_000;
    clocks.run(2, () => 0);
    clocks.controller.shift(-500 * ms);
    const { mostPpm } = clocks.run(20, () => 0);
    expect(mostPpm).toBeGreaterThanOrEqual(4_000);
    expect(mostPpm).toBeLessThanOrEqual(5_000);
  });

  test('of a stream that was not seen yet, or that made a step, is nothing', () => {
    const clocks = new Clocks();
    clocks.controller.shift(-5 * ms);
    expect(clocks.controller.isHolding).toBe(false);
    clocks.run(2, () => 0);
    expect(clocks.controller.isHolding).toBe(true);
    clocks.controller.step();
    clocks.controller.shift(-5 * ms);
    clocks.run(60, () => 0);
    expect(clocks.corrections).toBe(0);
  });
});
