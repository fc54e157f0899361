import { CaptureLatency } from './CaptureLatency.js';

const frames = 960;
const captureUs = 5_000_000;
/** The last sample of the frame. */
const endUs = captureUs + 20_000;

test('the way of a frame through this process is divided into its stages', () => {
  const latency = new CaptureLatency(0);
  latency.add(captureUs, frames, endUs + 700, endUs + 1_100, endUs + 1_150);
  const { capture_wait, encode, ipc } = latency.stages(5_100);
  expect(capture_wait?.meanMs).toBeCloseTo(0.7);
  expect(encode?.meanMs).toBeCloseTo(0.4);
  expect(ipc?.meanMs).toBeCloseTo(0.05);
  expect(latency.endToEnd(5_100).meanMs).toBeCloseTo(21.15);
});

test('a packet that waited for its client counts with its wait', () => {
  const latency = new CaptureLatency(0);
  latency.add(captureUs, frames, endUs, endUs, endUs + 10);
  latency.addWaited(80, 5_100);
  const { ipc } = latency.stages(5_100);
  expect(ipc?.count).toBe(2);
  expect(ipc?.maxMs).toBe(80);
});

test('what the card keeps to itself is told apart', () => {
  const latency = new CaptureLatency(0);
  for (const lateUs of [200, 400]) latency.addCard(lateUs, 5_100);
  expect(latency.cardMs(5_100)).toBeCloseTo(0.3);
});
