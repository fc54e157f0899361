import { mediaRate } from '@kvm-audio/protocol';
import { RateWatch, rateWatchLimits } from './RateWatch.js';

const { windowMs, readings, coolDownMs } = rateWatchLimits;
const slotFrames = 960;

/** A card in virtual time, whose frames are taken for those of a card of `cardRate`. */
class Card {
  readonly watch = new RateWatch();
  rate: number;
  cardRate: number;
  timeUs = 1e9;
  positionFrames = 0;
  discontinuity = false;
  /** Each time stamp is late by up to so much, as a card's is that looks once a period. */
  jitterUs = 0;
  #slots = 0;

  constructor(cardRate: number = mediaRate) {
    this.rate = cardRate;
    this.cardRate = cardRate;
    this.watch.onOpened(cardRate);
  }

  /** @returns the rates that were believed, each with the time it took, in ms. */
  run(ms: number): { rate: number; afterMs: number }[] {
    const from = this.timeUs;
    const believed: { rate: number; afterMs: number }[] = [];
    while (this.timeUs < from + ms * 1000) {
      this.#slots += 1;
      const lateUs = this.#slots % 2 === 0 ? this.jitterUs : 0;
      const { positionFrames, discontinuity } = this;
      const timeUs = this.timeUs + lateUs;
      const rate = this.watch.onFrame({ timeUs, positionFrames, discontinuity });
      if (rate !== undefined) believed.push({ rate, afterMs: (this.timeUs - from) / 1000 });
      this.discontinuity = false;
      this.positionFrames += slotFrames;
      this.timeUs += (slotFrames / mediaRate) * (this.cardRate / this.rate) * 1e6;
    }
    return believed;
  }

  reopen(cardRate: number): void {
    this.cardRate = cardRate;
    this.positionFrames = 0;
    this.discontinuity = true;
    this.watch.onOpened(cardRate);
  }
}

/** A reading is complete with the first slot after its window. */
const readingsMsMax = readings * (windowMs + 25) + 50;

test.each([32_000, 44_100, 96_000, 192_000])(
  'a card that runs at %i Hz instead of 48 kHz is found out after three readings',
  (rate) => {
    const card = new Card();
    expect(card.run(10_000)).toEqual([]);
    card.rate = rate;
    const believed = card.run(2_000);
    expect(believed.map(({ rate: found }) => found)).toEqual([rate]);
    // One window more: the change comes in the middle of one.
    expect(believed[0]!.afterMs).toBeGreaterThan((readings - 1) * windowMs);
    expect(believed[0]!.afterMs).toBeLessThan(readingsMsMax + windowMs + 25);
  },
);

test('two equal readings are not believed', () => {
  const card = new Card();
  card.run(1_000);
  for (let i = 0; i < 20; i++) {
    card.rate = 44_100;
    expect(card.run(2 * (windowMs + 25))).toEqual([]);
    card.rate = 48_000;
    expect(card.run(2 * (windowMs + 25))).toEqual([]);
  }
});

test.each([-1_000, -300, 300, 1_000])('a clock that is off by %i ppm is no other rate', (ppm) => {
  const card = new Card();
  card.rate = mediaRate * (1 + ppm / 1e6);
  expect(card.run(60_000)).toEqual([]);
});

test('time stamps that are late by 4 ms are no other rate, and do not hide one', () => {
  const card = new Card();
  card.jitterUs = 4_000;
  expect(card.run(60_000)).toEqual([]);
  card.rate = 44_100;
  expect(card.run(5_000).map(({ rate }) => rate)).toEqual([44_100]);
});

test('a rate that is none of the usual is not believed', () => {
  const card = new Card();
  card.rate = 40_000;
  expect(card.run(60_000)).toEqual([]);
});

test('a card that stands still now and then has no other rate', () => {
  const card = new Card();
  for (let i = 0; i < 50; i++) {
    expect(card.run(400)).toEqual([]);
    card.timeUs += 7_000 * i;
  }
});

test('what an xrun lost is no other rate', () => {
  const card = new Card();
  for (let i = 0; i < 50; i++) {
    expect(card.run(350)).toEqual([]);
    card.timeUs += 100_000;
    card.discontinuity = true;
  }
});

test('after a change another one is believed when the cool-down is over, at once', () => {
  const card = new Card();
  card.rate = 44_100;
  const [first] = card.run(2_000);
  card.reopen(first!.rate);
  card.rate = 48_000;
  const [second, ...more] = card.run(coolDownMs + 2_000);
  expect(second!.rate).toBe(48_000);
  expect(more).toEqual([]);
  // The first was believed some 1.2 s before this run began.
  expect(second!.afterMs).toBeGreaterThan(coolDownMs - 2_000);
  expect(second!.afterMs).toBeLessThan(coolDownMs);
});

test('a card that goes on at the wrong rate after its reopening is told again, once a cool-down', () => {
  const card = new Card();
  card.rate = 44_100;
  const believed = card.run(60_000);
  expect(believed.length).toBeGreaterThanOrEqual(11);
  expect(believed.length).toBeLessThanOrEqual(12);
});

test('a card that was opened at 44.1 kHz and runs so is left alone', () => {
  const card = new Card(44_100);
  expect(card.run(30_000)).toEqual([]);
  card.rate = 48_000;
  expect(card.run(3_000).map(({ rate }) => rate)).toEqual([48_000]);
});
