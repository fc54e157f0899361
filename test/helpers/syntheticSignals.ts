import { Random } from './random.js';

/**
 * Signals for tests and benches, made from arithmetic alone so that they are the same everywhere.
 * Interleaved int16 at 48 kHz.
 */
const rateHz = 48_000;
// Looked up once: in a test's sandbox each look-up of a global costs as much as the sine.
const { sin, cos, exp, floor, min, tanh, PI } = Math;

/** Chords of decaying harmonics, a new one each 300 ms, each voice with a place between the ears. */
export function musicSignal(frames: number, channels: 1 | 2): Int16Array {
  const pcm = new Int16Array(frames * channels);
  const chords = [
    [220, 277.2, 329.6, 440],
    [196, 246.9, 293.7, 587.3],
    [174.6, 220, 261.6, 698.5],
    [164.8, 207.7, 246.9, 493.9],
  ];
  for (let n = 0; n < frames; n++) {
    const seconds = n / rateHz;
    const beat = floor(seconds / 0.3);
    const since = seconds - beat * 0.3;
    const envelope = exp(-4 * since) * min(1, since / 0.005);
    let left = 0;
    let right = 0;
    chords[beat % chords.length]!.forEach((pitch, voice) => {
      let tone = 0;
      for (let harmonic = 1; harmonic <= 6; harmonic++) {
        tone += sin(2 * PI * pitch * harmonic * seconds + voice) / harmonic ** 1.5;
      }
      left += tone * (0.2 + 0.2 * voice);
      right += tone * (0.8 - 0.2 * voice);
    });
    put(pcm, n, channels, 3500 * envelope * left, 3500 * envelope * right);
  }
  return pcm;
}

/** Pulses through three moving formants, with pauses and hisses: what SILK takes for a voice. */
export function speechSignal(frames: number, channels: 1 | 2): Int16Array {
  const pcm = new Int16Array(frames * channels);
  const random = new Random(1);
  const noise = (): number => 2 * random.next() - 1;
  const vowels = [
    [730, 1090, 2440],
    [270, 2290, 3010],
    [300, 870, 2240],
    [530, 1840, 2480],
    [660, 1720, 2410],
  ];
  const state = [0, 0, 0, 0, 0, 0];
  let phase = 0;
  for (let n = 0; n < frames; n++) {
    const seconds = n / rateHz;
    const syllable = floor(seconds / 0.18);
    const since = seconds / 0.18 - syllable;
    phase += (115 + 25 * sin(2 * PI * 0.9 * seconds)) / rateHz;
    let source = noise() * 0.02;
    if (phase >= 1) {
      phase -= 1;
      source += 1;
    }
    const loud = syllable % 6 === 5 ? 0 : sin(PI * min(1, since * 1.1)) ** 0.7 || 0;
    let voiced = 0;
    vowels[syllable % vowels.length]!.forEach((formant, i) => {
      voiced += resonate(state, i * 2, formant, source * loud) / (i + 1);
    });
    const hiss = since < 0.12 && syllable % 2 === 1 ? noise() * 500 : 0;
    const sample = tanh(voiced * 0.6) * 11_000 + hiss;
    put(pcm, n, channels, sample, sample * 0.9);
  }
  return pcm;
}

/** One band of 80 Hz about `hz`: a two-pole resonator whose state is two places of `state`. */
function resonate(state: number[], at: number, hz: number, input: number): number {
  const radius = exp((-PI * 80) / rateHz);
  const feedback = 2 * radius * cos((2 * PI * hz) / rateHz);
  const output = input * 0.6 + feedback * state[at]! - radius * radius * state[at + 1]!;
  state[at + 1] = state[at]!;
  state[at] = output;
  return output;
}

function put(pcm: Int16Array, n: number, channels: 1 | 2, left: number, right: number): void {
  if (channels === 1) {
    pcm[n] = (left + right) / 2;
  } else {
    pcm[2 * n] = left;
    pcm[2 * n + 1] = right;
  }
}
