// Jest gives each file its own globals and looks them up by name: too slow for once a sample.
const { abs, imul, max } = Math;

/** A place in a recording, in frames of its first sample. */
export type BrokenBlock = { at: number; what: 'silence' | 'repetition' };

/** A codec's output is never exactly silent for so long while something sounds. */
const silenceFramesMin = 48;
/** … and never repeats itself to the bit for so long. */
const repetitionFramesMin = 96;
/** Quieter than this, in steps of 16 bits, a repetition is a matter of rounding. */
const repetitionPeakMin = 64;

/**
 * Traces of a machine in a recording: blocks that were left out, or played twice. They need no
 * reference, so they are found at any quality.
 *
 * @param pcm interleaved stereo.
 * @param sounding whether there should be sound at a frame.
 */
export function findBrokenBlocks(
  pcm: Int16Array,
  sounding: (frame: number) => boolean,
): BrokenBlock[] {
  return [...findSilence(pcm, sounding), ...findRepetitions(pcm)];
}

function findSilence(pcm: Int16Array, sounding: (frame: number) => boolean): BrokenBlock[] {
  const found: BrokenBlock[] = [];
  let run = 0;
  for (let i = 0; i < pcm.length / 2; i++) {
    const silent = abs(pcm[2 * i]!) <= 1 && abs(pcm[2 * i + 1]!) <= 1;
    run = silent && sounding(i) ? run + 1 : 0;
    if (run === silenceFramesMin) found.push({ at: i - run + 1, what: 'silence' });
  }
  return found;
}

/** Each window of the recording is looked up among those before it, by a hash that rolls on. */
function findRepetitions(pcm: Int16Array): BrokenBlock[] {
  const found: BrokenBlock[] = [];
  const seen = new Map<number, number>();
  const length = repetitionFramesMin;
  const factor = 0x01000193;
  let outgoing = 1;
  for (let i = 0; i < length; i++) outgoing = imul(outgoing, factor);
  const frame = (i: number): number => (pcm[2 * i]! << 16) ^ (pcm[2 * i + 1]! & 0xffff);
  let hash = 0;
  let quietUntil = 0;
  for (let i = 0; i < pcm.length / 2; i++) {
    hash = (imul(hash, factor) + frame(i)) | 0;
    if (i >= length) hash = (hash - imul(frame(i - length), outgoing)) | 0;
    const at = i - length + 1;
    if (at < 0) continue;
    const before = seen.get(hash);
    seen.set(hash, at);
    if (before === undefined || at < quietUntil || !isRepeated(pcm, before, at)) continue;
    found.push({ at, what: 'repetition' });
    quietUntil = at + 2 * length;
  }
  return found;
}

function isRepeated(pcm: Int16Array, before: number, at: number): boolean {
  let peak = 0;
  for (let i = 0; i < 2 * repetitionFramesMin; i++) {
    if (pcm[2 * before + i] !== pcm[2 * at + i]) return false;
    peak = max(peak, abs(pcm[2 * at + i]!));
  }
  return peak >= repetitionPeakMin;
}
