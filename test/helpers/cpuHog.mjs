// Keeps a core busy for so many milliseconds, and leaves it alone for as many others, in turn.
const [busyMs, idleMs] = process.argv.slice(2).map(Number);
const nothing = new Int32Array(new SharedArrayBuffer(4));
for (;;) {
  const end = performance.now() + busyMs;
  while (performance.now() < end);
  Atomics.wait(nothing, 0, 0, idleMs);
}
