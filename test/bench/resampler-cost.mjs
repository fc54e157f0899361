// What the resampler costs and what it does to the sound, at each quality: medians of µs per 20 ms
// of stereo, µs per move of the ratio, and what is left of a tone beside the tone.
//   make build && node test/bench/resampler-cost.mjs [--rounds 5]
import { parseArgs } from 'node:util';
import { Resampler } from '../../native-alsa/dist/alsa.js';

const frameMs = 20;
const frames = 200;
const warmFrames = 20;
const amplitude = 16_000;

const { values: flags } = parseArgs({ options: { rounds: { type: 'string', default: '5' } } });
const rounds = Number(flags.rounds);
const qualities = Array.from({ length: 11 }, (_, quality) => quality);

// A moving ratio is computed anew each frame, as a controller would at worst.
const paths = [
  { name: '48 to 48 kHz, never moved', inputRate: 48_000, outputRate: 48_000 },
  { name: '48 to 48 kHz, moving', inputRate: 48_000, outputRate: 48_000, moving: true },
  { name: '44.1 to 48 kHz', inputRate: 44_100, outputRate: 48_000 },
  { name: '44.1 to 48 kHz, moving', inputRate: 44_100, outputRate: 48_000, moving: true },
  { name: '48 to 44.1 kHz', inputRate: 48_000, outputRate: 44_100 },
  { name: '96 to 48 kHz', inputRate: 96_000, outputRate: 48_000 },
  { name: '32 to 48 kHz', inputRate: 32_000, outputRate: 48_000 },
];

showCost();
showFidelity();

function showCost() {
  console.log(`medians of ${rounds} rounds: µs per ${frameMs} ms of stereo, + µs per setRatio()`);
  row('quality', qualities);
  for (const path of paths) {
    const costs = qualities.map((quality) => {
      const results = Array.from({ length: rounds }, () => cost({ ...path, quality }));
      const process = median(results.map((each) => each.processUs)).toFixed(0);
      const set = median(results.map((each) => each.setUs)).toFixed(0);
      return path.moving ? `${process} + ${set}` : process;
    });
    row(path.name, costs);
  }
}

function showFidelity() {
  row('delay at 48 kHz, ms', qualities.map(delayMs));
  row('rest, 997 Hz, 48 kHz moved, dB', qualities.map((quality) => movedRest(quality, 997)));
  row('rest, 10 kHz, 48 kHz moved, dB', qualities.map((quality) => movedRest(quality, 10_000)));
  row('rest, 997 Hz, 44.1 to 48 kHz, dB', qualities.map(restFrom441));
  for (const hz of [18_000, 20_000]) {
    row(`${hz / 1000} kHz, 48 kHz moved, dB`, qualities.map((quality) => movedLevel(quality, hz)));
    row(`${hz / 1000} kHz, 48 to 44.1 kHz, dB`, qualities.map((quality) => levelTo441(quality, hz)));
  }
  for (const hz of [25_000, 28_000, 30_000]) {
    row(`${hz / 1000} kHz from 96 to 48 kHz, dB`, qualities.map((quality) => folded(quality, hz)));
  }
}

function cost({ inputRate, outputRate, moving, quality }) {
  const resampler = new Resampler({ channels: 2, inputRate, outputRate, quality });
  const length = (inputRate * frameMs) / 1000;
  const pcm = Int16Array.from({ length: 2 * length }, (_, i) => ((i * 7919) % 20_011) - 10_000);
  const out = new Int16Array(2 * ((outputRate * frameMs) / 1000 + 100));
  const processUs = [];
  const setUs = [];
  for (let n = 0; n < frames + warmFrames; n++) {
    const start = performance.now();
    if (moving) resampler.setRatio(300 * Math.sin(n / 20) + 0.5);
    const between = performance.now();
    resampler.process(pcm, length, out);
    processUs.push((performance.now() - between) * 1000);
    setUs.push((between - start) * 1000);
  }
  resampler.close();
  return {
    processUs: median(processUs.slice(warmFrames)),
    setUs: median(setUs.slice(warmFrames)),
  };
}

function delayMs(quality) {
  const resampler = new Resampler({ channels: 2, inputRate: 48_000, outputRate: 48_000, quality });
  const { output } = resampler.latencyFrames;
  resampler.close();
  return (output / 48).toFixed(1);
}

function movedRest(quality, hz) {
  const ppm = 37;
  const [out, exact] = tone({ quality, hz, inputRate: 48_000, outputRate: 48_000, ppm });
  return decibel(fit(out, (hz / 48_000) * (1 + exact / 1e6)).rest);
}

function movedLevel(quality, hz) {
  const [out, exact] = tone({ quality, hz, inputRate: 48_000, outputRate: 48_000, ppm: 37 });
  return decibel(fit(out, (hz / 48_000) * (1 + exact / 1e6)).level);
}

function restFrom441(quality) {
  const [out] = tone({ quality, hz: 997, inputRate: 44_100, outputRate: 48_000 });
  return decibel(fit(out, 997 / 48_000).rest);
}

function levelTo441(quality, hz) {
  const [out] = tone({ quality, hz, inputRate: 48_000, outputRate: 44_100 });
  return decibel(fit(out, hz / 44_100).level);
}

/** What comes out at all of a tone that does not fit under 24 kHz. */
function folded(quality, hz) {
  const [out] = tone({ quality, hz, inputRate: 96_000, outputRate: 48_000 });
  return decibel(Math.hypot(...out) / Math.sqrt(out.length) / (amplitude / Math.SQRT2));
}

/** A second of a tone, without the beginning; and the ppm in force. */
function tone({ quality, hz, inputRate, outputRate, ppm = 0 }) {
  const resampler = new Resampler({ channels: 1, inputRate, outputRate, quality });
  const exact = resampler.setRatio(ppm);
  const step = (2 * Math.PI * hz) / inputRate;
  const pcm = Int16Array.from({ length: inputRate }, (_, i) =>
    Math.round(amplitude * Math.sin(i * step)),
  );
  const out = new Int16Array(outputRate + 1000);
  const { produced } = resampler.process(pcm, pcm.length, out);
  resampler.close();
  return [out.subarray(1000, produced), exact];
}

/** The tone of `turns` per sample that fits best, and what it leaves, of the tone that went in. */
function fit(out, turns) {
  const step = 2 * Math.PI * turns;
  const cos = Array.from(out, (_, i) => Math.cos(i * step));
  const sin = Array.from(out, (_, i) => Math.sin(i * step));
  const [cc, cs, ss] = [dot(cos, cos), dot(cos, sin), dot(sin, sin)];
  const [c, s] = [dot(out, cos), dot(out, sin)];
  const determinant = cc * ss - cs * cs;
  const a = (c * ss - s * cs) / determinant;
  const b = (s * cc - c * cs) / determinant;
  const rest = Array.from(out, (sample, i) => sample - a * cos[i] - b * sin[i]);
  return {
    level: Math.hypot(a, b) / amplitude,
    rest: Math.sqrt(dot(rest, rest) / out.length) / (amplitude / Math.SQRT2),
  };
}

function dot(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

function decibel(value) {
  return (20 * Math.log10(value)).toFixed(1);
}

function median(values) {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}

function row(name, values) {
  console.log(`| ${name} | ${values.join(' | ')} |`);
}
