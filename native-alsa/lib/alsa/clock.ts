const calibrations = 5;

/**
 * CLOCK_MONOTONIC, in microseconds, at the moment that performance.now() counts from: both clocks
 * are read in turn, and the tightest of a few readings is taken.
 */
function findOriginUs(): number {
  let originUs = 0;
  let spreadMin = Number.POSITIVE_INFINITY;
  for (let i = 0; i < calibrations; i++) {
    const before = process.hrtime.bigint();
    const nowMs = performance.now();
    const spread = Number(process.hrtime.bigint() - before);
    if (spread < spreadMin) {
      spreadMin = spread;
      originUs = (Number(before) + spread / 2) / 1e3 - nowMs * 1e3;
    }
  }
  return originUs;
}

const originUs = findOriginUs();

/**
 * CLOCK_MONOTONIC in microseconds, the clock of every time stamp here. performance.now() reads it
 * too, and unlike process.hrtime.bigint() it allocates nothing.
 */
export function monotonicUs(): number {
  return originUs + performance.now() * 1e3;
}
