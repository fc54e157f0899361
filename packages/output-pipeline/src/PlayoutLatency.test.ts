import { PacketSlot, packetSlotBytes } from '@kvm-audio/audio';
import { mediaRate } from '@kvm-audio/protocol';
import { type DecodedAt, PlayoutLatency } from './PlayoutLatency.js';

const ms = mediaRate / 1000;
const lookaheadMs = 6.5;

/** Captured at 1 s, 20 ms long, arrived 1.5 ms after its last sample, looked at as it arrived. */
const at: DecodedAt = {
  lookUs: 1_021_500,
  startUs: 1_021_750,
  endUs: 1_022_250,
  queuedFrames: 16 * ms,
  ringFrames: 4 * ms,
  beyondFrames: 3 * ms,
  trimFrames: 0,
  lookaheadFrames: lookaheadMs * ms,
};

function packet(captureTimeUs: number | undefined): PacketSlot {
  const slot = new PacketSlot(Buffer.alloc(packetSlotBytes));
  slot.captureTimeUs = captureTimeUs;
  slot.arrivalUs = at.lookUs;
  slot.frames = 20 * ms;
  return slot;
}

function measured(captureTimeUs: number | undefined, change: Partial<DecodedAt> = {}) {
  const latency = new PlayoutLatency(0);
  Object.assign(latency.at, at, change);
  latency.add(packet(captureTimeUs));
  latency.noteEnd(true);
  const nowMs = at.endUs / 1000;
  const means = Object.fromEntries(
    Object.entries(latency.stages(nowMs)).map(([stage, { meanMs }]) => [stage, meanMs]),
  );
  return { means, whole: latency.endToEnd(nowMs) };
}

describe('the way of a packet', () => {
  test('is divided into its stages', () => {
    const { means } = measured(1_000_000);
    expect(means.transit).toBeCloseTo(1.5);
    expect(means.queue).toBeCloseTo(0.25 + 4);
    expect(means.decode).toBeCloseTo(0.5);
    expect(means.device).toBeCloseTo(12 + 3 - 0.75);
  });

  test('is as long as the frame, the stages and the look-ahead together', () => {
    const { means, whole } = measured(1_000_000);
    const sum = Object.values(means).reduce((total, mean) => total + mean, 0);
    expect(whole.meanMs).toBeCloseTo(20 + sum + lookaheadMs);
    expect(whole.from).toBe('capture');
  });

  test('ends sooner where the packet lost its start', () => {
    const trimmed = measured(1_000_000, { trimFrames: 5 * ms });
    expect(trimmed.whole.meanMs).toBeCloseTo(measured(1_000_000).whole.meanMs - 5);
  });

  test('begins with its arrival where nobody knows when it was captured', () => {
    const { means, whole } = measured(undefined);
    expect(means).not.toHaveProperty('transit');
    expect(whole.from).toBe('arrival');
    expect(whole.meanMs).toBeCloseTo(16 + 3 + lookaheadMs);
  });
});

test('figures from capture and from arrival are never mixed', () => {
  const latency = new PlayoutLatency(0);
  Object.assign(latency.at, at);
  for (const time of [undefined, undefined, 1_000_000]) latency.add(packet(time));
  latency.noteEnd(true);
  const { count, totalCount, from } = latency.endToEnd(at.endUs / 1000);
  expect([count, totalCount, from]).toEqual([1, 3, 'capture']);
});

describe('a packet', () => {
  /** The first of two, of which so much was unplayed when the second was given. */
  function counted(unplayedMs: number, change: Partial<DecodedAt> = {}): number {
    const latency = new PlayoutLatency(0);
    Object.assign(latency.at, at, change);
    latency.add(packet(1_000_000));
    Object.assign(latency.at, { queuedFrames: unplayedMs * ms });
    latency.add(packet(1_020_000));
    latency.noteEnd(false);
    return latency.endToEnd(at.endUs / 1000).count;
  }

  test('counts when it has been played, and not where it is thrown away', () => {
    expect(counted(0)).toBe(1);
    expect(counted(1)).toBe(0);
  });

  test('of which nothing is left does not count', () => {
    expect(counted(0, { trimFrames: 20 * ms })).toBe(0);
  });

  test('counts at last where more than can be kept in mind is unplayed', () => {
    const latency = new PlayoutLatency(0);
    Object.assign(latency.at, at, { queuedFrames: 1_000_000 * ms });
    for (let i = 0; i < 500; i++) latency.add(packet(1_000_000));
    expect(latency.endToEnd(at.endUs / 1000).count).toBe(100);
  });
});
