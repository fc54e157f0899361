import { closeAll, find, joined, openCapture, takeSlots } from '../../test/streams.js';
import { pattern, until, VirtualCard } from '../../test/VirtualCard.js';
import { monotonicUs } from '../alsa.js';

jest.setTimeout(40_000);

let card: VirtualCard;

beforeEach(async () => {
  card = new VirtualCard();
  await card.control('create');
});

afterEach(async () => {
  await closeAll();
  card.remove();
});

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1]!;
}

test('capture hears what aplay plays, bit for bit', async () => {
  const recorder = await openCapture(card.device);
  const played = pattern(24_000);
  await card.play(played);
  await until(() => find(joined(recorder.heard), played) >= 0);
  expect(recorder.heard.every(({ discontinuity }) => !discontinuity)).toBe(true);
  expect(recorder.capture.counters()).toMatchObject({ xruns: 0, ringFullSlots: 0, streaming: 1 });
});

test('positions count every sample, and time stamps are those of the card', async () => {
  const { capture, heard } = await openCapture(card.device);
  await until(() => heard.length >= 40);
  const status = await card.status();
  const cardUs = (frames: number): number =>
    status.monotonicNs / 1000 + ((frames - status.position) * 1e6) / 48_000;
  const offsetsUs = heard.map((slot, i) => {
    expect(slot.positionFrames).toBe(480 * i);
    expect(slot.frames).toBe(480);
    return Math.abs(slot.timeUs - cardUs(status.capture.start + slot.positionFrames));
  });
  // One sample is 21 us.
  expect(median(offsetsUs)).toBeLessThan(50);
  expect(capture.counters().framesRead).toBeGreaterThanOrEqual(480 * 40);
});

test('a slot is the same object each time, and a view on the ring', async () => {
  const recorder = await openCapture(card.device, { slotCount: 2 }, false);
  const seen = new Set<unknown>();
  for (let i = 0; i < 6; i++) {
    await until(() => recorder.capture.peek() !== undefined);
    const slot = recorder.capture.peek()!;
    seen.add(slot).add(slot.pcm.buffer);
    recorder.capture.release();
  }
  expect(seen.size).toBe(3);
});

test('a slot says how late the card gave its last sample: no later than it was seen', async () => {
  const { capture } = await openCapture(card.device, {}, false);
  for (let i = 0; i < 10; i++) {
    await until(() => capture.peek() !== undefined);
    const { timeUs, frames, lateUs } = capture.peek()!;
    const seenLateUs = monotonicUs() - timeUs - (frames * 1e6) / 48_000;
    expect(lateUs).toBeGreaterThanOrEqual(0);
    expect(lateUs).toBeLessThanOrEqual(seenLateUs + 100);
    capture.release();
  }
});

test('a full ring drops what is new, counts it, and marks the next slot', async () => {
  const recorder = await openCapture(card.device, { slotCount: 3, slotFrames: 240 }, false);
  const { capture } = recorder;
  await until(() => capture.counters().ringFullSlots >= 4);
  // On a busy machine the next slot may come while these are taken.
  await until(() => {
    takeSlots(recorder);
    return recorder.heard.length > 3;
  });
  const positions = recorder.heard.map(({ positionFrames }) => positionFrames);
  expect(positions.slice(0, 3)).toEqual([0, 240, 480]);
  const first = recorder.heard[3]!;
  const { framesLost, ringFullSlots } = capture.counters();
  expect(recorder.heard[2]!.discontinuity).toBe(false);
  expect(first.discontinuity).toBe(true);
  expect(first.positionFrames % 240).toBe(0);
  expect(first.positionFrames).toBeGreaterThanOrEqual(720 + 4 * 240);
  expect(framesLost).toBe(240 * ringFullSlots);
  // Time goes on evenly over the gap.
  const gapUs = first.timeUs - recorder.heard[2]!.timeUs;
  const gapFrames = first.positionFrames - recorder.heard[2]!.positionFrames;
  expect(Math.abs(gapUs - (gapFrames * 1e6) / 48_000)).toBeLessThan(1_000);
});

test('setSlotFrames changes the length of the next slot, without a gap', async () => {
  const { capture, heard } = await openCapture(card.device, { slotFrames: 2_880 });
  await until(() => heard.length >= 1);
  capture.setSlotFrames(480);
  await until(() => heard.length >= 3);
  capture.setSlotFrames(120);
  await until(() => heard.length >= 40);
  const lengths = [...new Set(heard.map(({ frames }) => frames))];
  expect(lengths).toEqual([2_880, 480, 120]);
  let position = 0;
  for (const slot of heard) {
    expect(slot.positionFrames).toBe(position);
    position += slot.frames;
  }
  expect(() => capture.setSlotFrames(2_881)).toThrow('slotFrames = 2881');
});

test('slots longer than the device’s buffer are filled bit for bit', async () => {
  const lengths = { slotFrames: 14_400, slotFramesMax: 14_400, slotCount: 4, bufferFrames: 9_600 };
  const recorder = await openCapture(card.device, lengths);
  const played = pattern(9_600);
  await card.play(played);
  await until(() => find(joined(recorder.heard), played) >= 0);
});

test('an xrun is recovered from in place, counted, and measured', async () => {
  const { capture, heard } = await openCapture(card.device);
  await until(() => heard.length >= 3);
  await card.control('xrun', 'capture');
  await until(() => heard.some(({ discontinuity }) => discontinuity));
  const after = heard.findIndex(({ discontinuity }) => discontinuity);
  await until(() => heard.length >= after + 5);
  const { xruns, framesLost, streaming } = capture.counters();
  expect([xruns, streaming]).toEqual([1, 1]);
  const before = heard[after - 1]!;
  const lost = heard[after]!.positionFrames - before.positionFrames - before.frames;
  expect(lost).toBeGreaterThanOrEqual(0);
  expect(framesLost).toBe(lost);
  const gapUs = heard[after]!.timeUs - before.timeUs;
  expect(Math.abs(gapUs - ((lost + before.frames) * 1e6) / 48_000)).toBeLessThan(1_000);
});

test('no signal is no fault: the time-outs are counted, and it goes on by itself', async () => {
  const recorder = await openCapture(card.device);
  await until(() => recorder.heard.length >= 2);
  await card.control('no-signal', 'on');
  await until(() => recorder.capture.counters().pollTimeouts >= 2);
  const stalledUs = recorder.capture.counters().lastProgressUs;
  await card.control('no-signal', 'off');
  await until(() => recorder.capture.counters().lastProgressUs > stalledUs);
  expect(recorder.error).toBeUndefined();
  expect(recorder.capture.counters().xruns).toBe(0);
});

test('a suspended card is resumed', async () => {
  const recorder = await openCapture(card.device);
  await until(() => recorder.heard.length >= 2);
  await card.control('suspend');
  // Longer than any period: it stands still.
  const sinceProgressUs = () => monotonicUs() - recorder.capture.counters().lastProgressUs;
  await until(() => sinceProgressUs() > 300_000);
  await card.control('resume');
  const before = recorder.heard.length;
  await until(() => recorder.heard.length >= before + 5);
  expect(recorder.error).toBeUndefined();
});

test('after close nothing is given out and nothing happens', async () => {
  const { capture, heard } = await openCapture(card.device);
  await until(() => heard.length >= 1);
  expect(await capture.close(1_000)).toBe('joined');
  expect(await capture.close(1_000)).toBe('joined');
  expect(capture.peek()).toBeUndefined();
  expect(() => capture.release()).not.toThrow();
  expect(() => capture.setSlotFrames(240)).not.toThrow();
  expect(capture.counters().streaming).toBe(0);
});

test('release() without a filled slot is a mistake of the caller', async () => {
  const { capture } = await openCapture(card.device, { slotFrames: 2_880 }, false);
  expect(() => capture.release()).toThrow('no slot to release');
});
