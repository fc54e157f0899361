/** Frames of a recording, the last not included. */
export type Silence = { from: number; until: number };

/** Stretches of exact silence in interleaved stereo, at least so long, between two frames. */
export function silences(
  pcm: Int16Array,
  from: number,
  until: number,
  framesMin: number,
): Silence[] {
  const found: Silence[] = [];
  let run = 0;
  const close = (at: number): void => {
    if (run >= framesMin) found.push({ from: at - run, until: at });
    run = 0;
  };
  for (let i = Math.max(0, from); i < until; i++) {
    if (pcm[2 * i] === 0 && pcm[2 * i + 1] === 0) run += 1;
    else close(i);
  }
  close(until);
  return found;
}
