// What a codec call costs: µs per encode and decode, medians, for each quality level, through the
// native backend, the wasm backend, and libopus called from C (c/opus_cost.c), interleaved.
//   make build && node test/bench/codec-cost.mjs [--complexity] [--rounds 5]
// --complexity: the native encoder at complexity 0 to 10 instead.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createNativeBackend } from '../../native-alsa/dist/opus.js';
import { createWasmBackend } from '../../packages/audio/dist/codec/index.js';
import {
  effectiveFormat,
  encoderSettings,
  qualityLevels,
} from '../../packages/audio/dist/quality/index.js';

const here = new URL('.', import.meta.url).pathname;
execFileSync(join(here, '../../node_modules/.bin/tsc'), ['-p', here], { stdio: 'inherit' });
const { musicSignal, speechSignal } = await import('../../dist/helpers/syntheticSignals.js');

const seconds = 12;
const warmCalls = 50;

const { values: flags } = parseArgs({
  options: {
    complexity: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '5' },
  },
});
const rounds = Number(flags.rounds);
const folder = mkdtempSync(join(tmpdir(), 'codec-cost-'));
try {
  if (flags.complexity) compareComplexities();
  else compareBackends();
} finally {
  rmSync(folder, { recursive: true });
}

function compareBackends() {
  const program = buildC();
  const backends = { native: createNativeBackend(), wasm: createWasmBackend() };
  console.log(`medians of ${rounds} rounds, µs per call: encode, decode`);
  for (const each of material()) {
    const settings = encoderSettings(each.format);
    const runs = { c: [], native: [], wasm: [] };
    for (let round = 0; round < rounds; round++) {
      runs.c.push(runC(program, each, settings));
      for (const name of ['native', 'wasm']) runs[name].push(run(backends[name], each, settings));
    }
    const [c, native, wasm] = ['c', 'native', 'wasm'].map((name) => middle(runs[name]));
    const over = (a, b) => `${((a / b - 1) * 100).toFixed(1)} %`;
    console.log(
      `${each.name.padEnd(18)} C ${show(c)}   native ${show(native)}  (${over(native.encodeUs, c.encodeUs)}, ` +
        `${over(native.decodeUs, c.decodeUs)})   wasm ${show(wasm)}   same bytes: ${c.bytes === native.bytes}`,
    );
  }
}

function compareComplexities() {
  const backend = createNativeBackend();
  const complexities = Array.from({ length: 11 }, (_, complexity) => complexity);
  console.log(`native encoder, µs per frame, at complexity ${complexities.join(', ')}`);
  for (const each of material()) {
    const costs = complexities.map((complexity) => {
      const settings = encoderSettings(each.format, { complexity });
      const results = Array.from({ length: rounds }, () => run(backend, each, settings));
      return middle(results).encodeUs.toFixed(0);
    });
    console.log(`| ${each.name} | ${costs.join(' | ')} |`);
  }
}

function* material() {
  for (const direction of ['output', 'input']) {
    for (const level of qualityLevels) {
      const deviceChannels = direction === 'output' ? 2 : 1;
      const format = effectiveFormat({
        direction,
        profile: 'microphone',
        level,
        deviceChannels,
      });
      const signal = level === 'low' || direction === 'input' ? speechSignal : musicSignal;
      const name = `${level} ${direction === 'output' ? 'output' : 'microphone'}`;
      yield { name, format, channels: deviceChannels, pcm: signal(seconds * 48_000, deviceChannels) };
    }
  }
}

function run(backend, { format, channels, pcm }, settings) {
  const frames = format.frameMs * 48;
  const samples = frames * channels;
  const encoder = backend.createEncoder(format.application, channels, settings);
  const decoder = backend.createDecoder(channels);
  const packet = new Uint8Array(4096);
  const frame = new Int16Array(samples);
  const out = new Int16Array(samples);
  const encodeUs = [];
  const decodeUs = [];
  let bytes = 0;
  for (let at = 0; at + samples <= pcm.length; at += samples) {
    frame.set(pcm.subarray(at, at + samples));
    const start = performance.now();
    const length = encoder.encode(frame, frames, packet);
    const between = performance.now();
    const coded = packet.subarray(0, length);
    const again = performance.now();
    decoder.decode(coded, out);
    decodeUs.push((performance.now() - again) * 1000);
    encodeUs.push((between - start) * 1000);
    bytes += length;
  }
  encoder.close();
  decoder.close();
  return {
    encodeUs: median(encodeUs.slice(warmCalls)),
    decodeUs: median(decodeUs.slice(warmCalls)),
    bytes,
  };
}

function buildC() {
  const program = join(folder, 'opus_cost');
  const source = join(here, 'c/opus_cost.c');
  const flags = execFileSync('pkg-config', ['--cflags', '--libs', 'opus'], { encoding: 'utf8' });
  execFileSync('cc', ['-O2', '-o', program, source, ...flags.trim().split(/\s+/)]);
  return program;
}

function runC(program, { format, channels, pcm }, settings) {
  const file = join(folder, 'pcm.s16');
  writeFileSync(file, Buffer.from(pcm.buffer, pcm.byteOffset, pcm.byteLength));
  const numbers = {
    voip: 2048,
    audio: 2049,
    lowdelay: 2051,
    auto: -1000,
    voice: 3001,
    music: 3002,
    wide: 1103,
    superwide: 1104,
    full: 1105,
  };
  const args = [
    channels,
    format.frameMs * 48,
    numbers[format.application],
    settings.bitrate,
    settings.complexity,
    numbers[settings.signal],
    numbers[settings.bandwidthMax],
    settings.forcedChannels || -1000,
  ];
  const text = execFileSync(program, [file, ...args.map(String)], { encoding: 'utf8' });
  const [encodeUs, decodeUs, bytes] = text.trim().split(' ').map(Number);
  return { encodeUs, decodeUs, bytes };
}

function middle(results) {
  return {
    encodeUs: median(results.map((each) => each.encodeUs)),
    decodeUs: median(results.map((each) => each.decodeUs)),
    bytes: results[0].bytes,
  };
}

function median(values) {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}

function show({ encodeUs, decodeUs }) {
  return `${encodeUs.toFixed(1).padStart(6)} ${decodeUs.toFixed(1).padStart(6)}`;
}
