/**
 * Calls back after so long, once what had arrived by then was read: a process that was itself held
 * up is not to take that for the other end's silence. So who waits may be served just before.
 *
 * @returns clearing it ends it, unless it is about to call.
 */
export function setDeadline(onPassed: () => void, ms: number): NodeJS.Timeout {
  return setTimeout(() => setImmediate(onPassed), ms);
}
