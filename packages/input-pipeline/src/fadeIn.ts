import { mediaRate } from '@kvm-audio/protocol';

const fadeFrames = mediaRate / 400;

/** Half a cosine from just over 0 to just under 1. */
const rising = Float64Array.from(
  { length: fadeFrames },
  (_, i) => 0.5 - 0.5 * Math.cos((Math.PI * (i + 0.5)) / fadeFrames),
);

/** Sound that begins with any sample begins with silence: over 2.5 ms, in place; interleaved. */
export function fadeIn(pcm: Int16Array, channels: number): void {
  for (let frame = 0; frame < fadeFrames; frame++) {
    for (let at = frame * channels; at < (frame + 1) * channels; at++) {
      pcm[at] = Math.round((pcm[at] ?? 0) * (rising[frame] ?? 1));
    }
  }
}
