import { FrameCount } from './FrameCount.js';

test('frames are counted, with their payload and the time of the last', () => {
  const count = new FrameCount();
  expect(count.report(5_000_000, 1_800_000_000_000)).toEqual({
    framesReceived: 0,
    bytes: 0,
    lastFrameAtMs: null,
  });
  expect(count.silentUs(5_000_000)).toBe(Number.POSITIVE_INFINITY);
  count.note(6_000_000);
  count.addPayload(100);
  count.note(6_020_000);
  count.addPayload(60);
  expect(count.silentUs(6_050_000)).toBe(30_000);
  expect(count.report(6_050_000, 1_800_000_000_000)).toEqual({
    framesReceived: 2,
    bytes: 160,
    lastFrameAtMs: 1_799_999_999_970,
  });
});

test('a clock that was set moves the time of the last frame with it', () => {
  const count = new FrameCount();
  count.note(1_000_000);
  expect(count.report(3_000_000, 2_000).lastFrameAtMs).toBe(0);
  expect(count.report(4_000_000, 1_800_000_000_000).lastFrameAtMs).toBe(1_799_999_997_000);
});
