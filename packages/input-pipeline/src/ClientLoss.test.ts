import type { Log } from '@kvm-audio/daemon';
import { ClientLoss, lossMsMin } from './ClientLoss.js';

const begins = 'listener is too slow: it loses packets';
const isOver = 'listener keeps up again';

function bench() {
  const lines: unknown[] = [];
  const write = (fields: unknown, message: unknown) => lines.push([message, fields]);
  const log = { info: write, warn: write } as unknown as Log;
  const sender = { dropped: 0, queuedMs: 0 };
  const loss = new ClientLoss('tv', sender);
  let nowMs = 0;
  /** A second later, after so many were lost, while so much waits. @returns what is told. */
  const second = (lost: number, queuedMs = 0): unknown[] => {
    nowMs += 1_000;
    sender.dropped += lost;
    sender.queuedMs = queuedMs;
    loss.look(log, nowMs);
    return lines.splice(0);
  };
  return second;
}

test('a client that begins to lose packets is told once, and when it keeps up, with how many', () => {
  const second = bench();
  expect(second(0)).toEqual([]);
  expect(second(0, 200)).toEqual([]);
  expect(second(7, 200)).toEqual([[begins, { client: 'tv' }]]);
  expect(second(50, 200)).toEqual([]);
  // What waits may still be lost.
  expect(second(0, 200)).toEqual([]);
  expect(second(0)).toEqual([[isOver, { client: 'tv', lost: 57 }]]);
  expect(second(0)).toEqual([]);
});

test('one that loses some each few seconds is one pair of lines in 10 s, which miss none', () => {
  const second = bench();
  const told: unknown[] = [];
  let lost = 0;
  const seconds = 600;
  for (let i = 0; i < seconds; i++) {
    const now = i % 3 === 0 ? 4 : 0;
    lost += now;
    told.push(...second(now));
  }
  const pairs = (seconds * 1_000) / lossMsMin;
  expect(told.length).toBeLessThanOrEqual(2 * pairs);
  expect(told.length).toBeGreaterThan(pairs);
  for (let i = 0; i < 2 * (lossMsMin / 1_000); i++) told.push(...second(0));
  const counted = (told as [string, { lost?: number }][]).map(([, fields]) => fields.lost ?? 0);
  expect(counted.reduce((sum, count) => sum + count, 0)).toBe(lost);
});
