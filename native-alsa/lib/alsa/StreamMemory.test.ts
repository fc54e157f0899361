import { type Layout, loadAddon } from './addon.js';
import { StreamMemory } from './StreamMemory.js';

const layout: Layout = loadAddon().layout;

function emptyMemory(slotCount: number): { words: Int32Array; memory: StreamMemory } {
  const samplesByteOffset = layout.headersByteOffset + slotCount * layout.headerBytes;
  const buffer = new ArrayBuffer(samplesByteOffset + slotCount * 64);
  const parts = { buffer, samplesByteOffset, slotStrideBytes: 64 };
  return { words: new Int32Array(buffer), memory: new StreamMemory(parts, layout, slotCount) };
}

test('indices run to twice the slot count, so that a full ring is not an empty one', () => {
  const { memory } = emptyMemory(3);
  const seen = [0];
  for (let i = 0; i < 6; i++) seen.push(memory.next(seen.at(-1)!));
  expect(seen).toEqual([0, 1, 2, 3, 4, 5, 0]);
  expect(seen.map((index) => memory.slotOf(index))).toEqual([0, 1, 2, 0, 1, 2, 0]);
  expect(memory.distance(4, 4)).toBe(0);
  expect(memory.distance(4, 1)).toBe(3);
});

test('64-bit statistics are put together from their halves', () => {
  const { words, memory } = emptyMemory(1);
  words[layout.statistics + 2 * layout.xruns] = -1;
  words[layout.statistics + 2 * layout.xruns + 1] = 2;
  expect(memory.statistics()[layout.xruns]).toBe(3 * 2 ** 32 - 1);
});

test('a picture that the thread is just writing is not read: the last one stands', () => {
  const { words, memory } = emptyMemory(1);
  words[layout.statistics + 2 * layout.xruns] = 7;
  memory.statistics();
  words[layout.sequence] = 1;
  words[layout.statistics + 2 * layout.xruns] = 8;
  expect(memory.statistics()[layout.xruns]).toBe(7);
  words[layout.sequence] = 2;
  expect(memory.statistics()[layout.xruns]).toBe(8);
});

test('the time of a call is restored from its low 32 bits', () => {
  const { words, memory } = emptyMemory(1);
  const nowUs = 5 * 2 ** 32 + 1_000.5;
  expect(memory.inCallSinceUs(nowUs)).toBe(0);
  words[layout.inCallSince] = 400;
  expect(memory.inCallSinceUs(nowUs)).toBe(5 * 2 ** 32 + 400);
  words[layout.inCallSince] = -1_000;
  expect(memory.inCallSinceUs(nowUs)).toBe(5 * 2 ** 32 - 1_000);
  words[layout.inCallSince] = 1_200;
  expect(memory.inCallSinceUs(nowUs)).toBe(Math.floor(nowUs));
});
