/**
 * What `work` comes to, or the signal's reason where it is aborted first; then `undo` is called.
 */
export function orAborted<T>(
  work: Promise<T>,
  signal: AbortSignal | undefined,
  undo: () => void = () => undefined,
): Promise<T> {
  if (!signal) return work;
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      undo();
      reject(signal.reason);
    };
    const settled = (): void => signal.removeEventListener('abort', onAbort);
    work.then(resolve, reject).then(settled, settled);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
}
