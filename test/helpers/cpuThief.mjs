// Lets a process run for so many microseconds, and stops it for so many milliseconds, in turn.
const [pid, stoppedMs, runningUs] = process.argv.slice(2).map(Number);
const nothing = new Int32Array(new SharedArrayBuffer(4));
for (;;) {
  process.kill(pid, 'SIGSTOP');
  Atomics.wait(nothing, 0, 0, stoppedMs);
  process.kill(pid, 'SIGCONT');
  const endNs = process.hrtime.bigint() + BigInt(runningUs) * 1_000n;
  while (process.hrtime.bigint() < endNs);
}
