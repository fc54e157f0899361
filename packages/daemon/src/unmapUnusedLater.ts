import { unmapUnused } from '@kvm-audio/native-alsa/sys';
import type { Log } from './LogRecord.js';

/** What runs 50 times a second is compiled by then. */
const firstMs = 60_000;
const everyMs = 600_000;

/**
 * From a minute after the start on, now and then gives back the pages of Node's program that only
 * the start, the compiler or something rare has needed, and what is free in the heap: on a small
 * device they are better used by others. Holds no process open.
 */
export function unmapUnusedLater(log: Log): void {
  function unmap(): void {
    try {
      unmapUnused();
    } catch (error) {
      log.debug({ error }, 'unused memory stays mapped');
    }
  }
  setTimeout(() => {
    unmap();
    setInterval(unmap, everyMs).unref();
  }, firstMs).unref();
}
