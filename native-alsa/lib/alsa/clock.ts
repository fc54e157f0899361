/** CLOCK_MONOTONIC in microseconds: the clock of every time stamp here. */
export function monotonicUs(): number {
  return Number(process.hrtime.bigint()) / 1000;
}
