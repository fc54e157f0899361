import { readFileSync } from 'node:fs';

/** The programme's shape: what `aplay` is told about the raw samples. */
export const programmeFormat = { rate: 48_000, channels: 2 } as const;

const { rate } = programmeFormat;
const beatSeconds = 0.32;
/** A bar of eight notes for each chord, as semitones over A2. */
const chords = [
  [0, 7, 12, 16, 19, 16, 12, 7],
  [-4, 3, 8, 12, 15, 12, 8, 3],
  [-7, 0, 5, 9, 12, 9, 5, 0],
  [-5, 2, 7, 11, 14, 11, 7, 2],
];
const bars = 8;
const musicGain = 0.5;
const speechGain = 0.7;
/** Music under speech is this much quieter. */
const duckedGain = 0.35;
const wavHeaderBytes = 44;

function frequency(semitones: number): number {
  return 110 * 2 ** (semitones / 12);
}

/**
 * A plucked string after Karplus and Strong (1983): a burst of noise in a delay line that loses
 * its high partials as it goes round. Adds to both channels, panned.
 */
function pluck(left: Float32Array, right: Float32Array, at: number, hz: number, pan: number): void {
  const delay = Math.round(rate / hz);
  const line = new Float32Array(delay);
  // A fixed sequence instead of Math.random: the programme is the same at each start.
  let seed = delay * 7919;
  for (let i = 0; i < delay; i++) {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
    line[i] = seed / 2 ** 30 - 1;
  }
  const length = Math.min(Math.round(1.6 * rate), left.length - at);
  for (let i = 0; i < length; i++) {
    const here = i % delay;
    const sample = line[here] ?? 0;
    line[here] = 0.4985 * (sample + (line[(here + 1) % delay] ?? 0));
    left[at + i] = (left[at + i] ?? 0) + sample * (1 - pan);
    right[at + i] = (right[at + i] ?? 0) + sample * pan;
  }
}

/** A soft bass tone with a second partial. */
function bass(
  left: Float32Array,
  right: Float32Array,
  at: number,
  hz: number,
  seconds: number,
): void {
  const length = Math.min(Math.round(seconds * rate), left.length - at);
  for (let i = 0; i < length; i++) {
    const envelope = Math.min(1, i / 960) * Math.min(1, (length - i) / 4_800);
    const phase = (2 * Math.PI * hz * i) / rate;
    const sample = 0.25 * envelope * (Math.sin(phase) + 0.4 * Math.sin(2 * phase));
    left[at + i] = (left[at + i] ?? 0) + sample;
    right[at + i] = (right[at + i] ?? 0) + sample;
  }
}

/** Speech at 48 kHz from a 16 kHz mono WAV, by linear interpolation. */
function readSpeech(path: URL): Float32Array {
  const file = readFileSync(path);
  const samples = Math.floor((file.length - wavHeaderBytes) / 2);
  const at = (i: number): number =>
    i < samples ? file.readInt16LE(wavHeaderBytes + 2 * i) / 32_768 : 0;
  const factor = rate / 16_000;
  return Float32Array.from({ length: samples * factor }, (_, i) => {
    const from = Math.floor(i / factor);
    const part = i / factor - from;
    return at(from) * (1 - part) + at(from + 1) * part;
  });
}

/**
 * The built-in programme: plucked chords over a bass, with a sentence spoken in the middle.
 * @returns interleaved 16 bit samples in `programmeFormat`, about 20 s, that loop without a seam.
 */
export function makeProgramme(): Int16Array {
  const barFrames = Math.round(8 * beatSeconds * rate);
  const left = new Float32Array(bars * barFrames);
  const right = new Float32Array(bars * barFrames);
  for (let bar = 0; bar < bars; bar++) {
    const chord = chords[bar % chords.length] ?? [];
    bass(left, right, bar * barFrames, frequency((chord[0] ?? 0) - 12), 8 * beatSeconds);
    chord.forEach((note, beat) => {
      const at = bar * barFrames + Math.round(beat * beatSeconds * rate);
      pluck(left, right, at, frequency(note + 12), 0.25 + 0.07 * beat);
    });
  }
  const speech = readSpeech(new URL('../../programme/speech.wav', import.meta.url));
  const speechFrom = 2 * barFrames;
  const out = new Int16Array(left.length * 2);
  let duck = 1;
  for (let i = 0; i < left.length; i++) {
    const spoken = speech[i - speechFrom];
    duck += ((spoken === undefined ? 1 : duckedGain) - duck) / 2_400;
    const voice = (spoken ?? 0) * speechGain;
    const music = musicGain * duck;
    out[2 * i] = clip(music * (left[i] ?? 0) + voice);
    out[2 * i + 1] = clip(music * (right[i] ?? 0) + voice);
  }
  return out;
}

function clip(sample: number): number {
  return Math.round(32_767 * Math.max(-1, Math.min(1, sample)));
}
