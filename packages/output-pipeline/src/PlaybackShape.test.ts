import { checkConfig } from '../../daemon/src/config/loadConfig.js';
import { PlaybackShape } from './PlaybackShape.js';
import { PlayoutTarget } from './PlayoutTarget.js';

const perMs = 48;

function shape(fixedMs: number | undefined, mostMs = 150) {
  const target = new PlayoutTarget({ fixedMs, mostMs });
  const config = checkConfig({ output: { bufferMs: 100 } }, 'test');
  return { target, shape: new PlaybackShape(config, target) };
}

test('a card has room for the greatest margin and the longest packet', () => {
  expect(shape(undefined).shape.open(undefined).bufferFrames).toBe((150 + 60) * perMs);
  expect(shape(300).shape.open(undefined).bufferFrames).toBe((300 + 60) * perMs);
  expect(shape(20).shape.open(undefined).bufferFrames).toBe(100 * perMs);
});

test('a margin that fits into the card as it is open leaves it open', () => {
  const { target, shape: card } = shape(300);
  card.open(undefined);
  for (const targetMs of [10, 300, 200]) {
    target.set(targetMs);
    expect(card.change({ targetMs })).toBe(false);
  }
  target.set(310);
  expect(card.change({ targetMs: 310 })).toBe(true);
});

test('another period or buffer has the card opened anew, with that', () => {
  const { shape: card } = shape(20);
  card.open(undefined);
  expect(card.change({ periodMs: 10 })).toBe(true);
  expect(card.change({ bufferMs: 200 })).toBe(true);
  expect(card.open(44_100)).toMatchObject({
    cardRate: 44_100,
    periodFrames: 10 * perMs,
    bufferFrames: 200 * perMs,
  });
  expect(card.tuning()).toEqual({ periodMs: 10, bufferMs: 200, bufferMsMin: 80 });
});
