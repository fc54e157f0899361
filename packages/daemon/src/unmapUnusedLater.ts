import v8 from 'node:v8';
import { unmapUnused } from '@kvm-audio/native-alsa/sys';
import type { Log } from './LogRecord.js';

/**
 * What runs 50 times a second is compiled by then. One process after the other: two at a time take
 * both of two cores for some 40 ms from the threads that carry sound.
 */
const firstMs = { supervisor: 50_000, input: 55_000, output: 60_000 } as const;
/** Forty looks of a process that wakes each 2.5 s: so it goes on being one after the other. */
const everyMs = 297_000;
/** Sooner where so much has gathered in the heap since, as it does while a busy machine is late. */
const gatheredBytes = 512 * 1024;
const leastMs = 30_000;
/**
 * V8 makes what is new in one of two spaces of 1 MB until it is full, and all of its pages stay
 * touched. Emptied so often, in 0.2 to 0.4 ms, it holds 0.3 to 0.7 MB (Node 20.20, pipelines).
 */
const lookMs = 7_000;

/** What lives moves together: else pages stay of which little lives, and more of them each time. */
const compactingFlag = 'compact-on-every-full-gc';

/** V8 reads the flag when a collection begins; one that it makes by itself is to be short. */
function collect(gc: () => void): void {
  v8.setFlagsFromString(`--${compactingFlag}`);
  try {
    gc();
  } finally {
    v8.setFlagsFromString(`--no-${compactingFlag}`);
  }
}

function usedBytes(): number {
  return v8.getHeapStatistics().used_heap_size;
}

/**
 * From about a minute after the start on, now and then gives back the pages of Node's program that only
 * the start, the compiler or something rare has needed, and what is free in the heaps: on a small
 * device they are better used by others. Holds no process open.
 *
 * @returns what is to be called where the process has waked up anyway, after what it woke up for:
 *   it looks each seven seconds then. A wake-up for that alone would cost more than the look.
 * @param mayPause whether the event loop may stand still for some 20 ms now. V8's heap is collected
 *   then: who hardly runs is not collected by itself for long.
 */
export function unmapUnusedLater(
  process: keyof typeof firstMs,
  log: Log,
  mayPause: () => boolean,
): () => void {
  let unmappedMs: number | undefined;
  let lookedMs = 0;
  let keptBytes = 0;
  function unmap(): void {
    unmappedMs = performance.now();
    lookedMs = unmappedMs;
    try {
      // Where Node was started with --expose-gc.
      const { gc } = globalThis;
      if (gc && mayPause()) collect(() => gc());
      unmapUnused();
    } catch (error) {
      log.debug({ error }, 'unused memory stays mapped');
    }
    keptBytes = usedBytes();
  }
  function look(): void {
    const nowMs = performance.now();
    if (unmappedMs === undefined || nowMs - lookedMs < lookMs) return;
    lookedMs = nowMs;
    const sinceMs = nowMs - unmappedMs;
    const mayCollect = mayPause();
    if (mayCollect) globalThis.gc?.({ type: 'minor' });
    const hasGathered = mayCollect && usedBytes() - keptBytes > gatheredBytes;
    if (sinceMs >= everyMs || (sinceMs >= leastMs && hasGathered)) unmap();
  }
  setTimeout(unmap, firstMs[process]).unref();
  return look;
}
