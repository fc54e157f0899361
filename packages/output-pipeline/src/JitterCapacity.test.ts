import { FramePool, JitterBuffer, PacketSlot, packetSlotBytes } from '@kvm-audio/audio';
import { mediaRate } from '@kvm-audio/protocol';
import { JitterCapacity } from './JitterCapacity.js';
import { PlayoutTarget } from './PlayoutTarget.js';

const framesPerMs = mediaRate / 1000;

function bench(): { capacity: JitterCapacity; aim(ms: number): void } {
  const pool = new FramePool(
    'packets',
    { jitterBuffer: 4 },
    packetSlotBytes,
    (bytes) => new PacketSlot(bytes),
  );
  const target = new PlayoutTarget({ fixedMs: 30, mostMs: 150 });
  const capacity = new JitterCapacity(new JitterBuffer(pool), target);
  return {
    capacity,
    aim: (ms) => {
      target.set(ms);
      expect(target.goalFrames).toBe(ms * framesPerMs);
    },
  };
}

test('a size that has room for the target and a frame holds, at equality too', () => {
  const { capacity } = bench();
  capacity.set(4, 10);
  expect(capacity.report(10)).toEqual({ frames: 4, ms: 40, targetWins: 0 });
});

test('each size under that is one more that the target holds instead of', () => {
  const { capacity } = bench();
  for (const frames of [3, 2]) capacity.set(frames, 10);
  expect(capacity.report(10)).toEqual({ frames: 2, ms: 40, targetWins: 2 });
});

test('a target that grows over the size wins once, until it was under it', () => {
  const { capacity, aim } = bench();
  capacity.set(4, 10);
  const winsAt = (ms: number): number => {
    aim(ms);
    return capacity.report(10).targetWins;
  };
  expect([31, 50, 20, 31].map(winsAt)).toEqual([1, 1, 1, 2]);
});

test('without a size nothing wins', () => {
  const { capacity, aim } = bench();
  aim(120);
  expect(capacity.report(10)).toMatchObject({ frames: null, targetWins: 0 });
});
