// What a codec call costs: µs per encode and decode, medians, for each quality level, through the
// native backend, the wasm backend, and libopus called from C (c/opus_cost.c), interleaved.
//   make codec-cost [ARGS='--complexity --rounds 5']
// --complexity: the native encoder at complexity 0 to 10 instead, and how its sound is.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { loadOpusAddon } from '../../native-alsa/dist/opus.js';
import { createWasmBackend, NativeBackend } from '../../packages/audio/dist/codec/index.js';
import {
  effectiveFormat,
  encoderSettings,
  qualityLevels,
} from '../../packages/audio/dist/quality/index.js';

/** Promised of the native backend over C, per call. */
const overheadPercentMax = 5;

const here = new URL('.', import.meta.url).pathname;
execFileSync(join(here, '../../node_modules/.bin/tsc'), ['-p', here], { stdio: 'inherit' });
const { musicSignal, speechSignal } = await import('../../dist/helpers/syntheticSignals.js');
const { makeProgramme } = await import('../../packages/cli/dist/demo/programme.js');
const { mixDown, splitChannels } = await import('../../dist/helpers/signal.js');
const { codingError } = await import('../../dist/bench/codingError.js');

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
  const backends = { native: new NativeBackend(loadOpusAddon()), wasm: createWasmBackend() };
  console.log(`µs per encode / decode, medians of ${rounds} rounds in turns`);
  console.log('| | C | native | over C | wasm | same bytes |\n|---|---|---|---|---|---|');
  let worstPercent = 0;
  for (const each of material()) {
    const settings = encoderSettings(each.format);
    const runs = { c: [], native: [], wasm: [] };
    for (let round = 0; round < rounds; round++) {
      runs.c.push(runC(program, each, settings));
      for (const name of ['native', 'wasm']) runs[name].push(run(backends[name], each, settings));
    }
    const [c, native, wasm] = ['c', 'native', 'wasm'].map((name) => middle(runs[name]));
    // Both calls of a round are near each other in time: their ratio says more than the medians'.
    const over = (key) =>
      (median(runs.native.map((each, round) => each[key] / runs.c[round][key])) - 1) * 100;
    const overs = [over('encodeUs'), over('decodeUs')];
    worstPercent = Math.max(worstPercent, ...overs);
    const overC = overs.map((percent) => `${percent.toFixed(1)} %`).join(' / ');
    const same = c.bytes === native.bytes ? 'yes' : 'no';
    console.log(`| ${[each.name, show(c), show(native), overC, show(wasm), same].join(' | ')} |`);
  }
  const verdict = worstPercent <= overheadPercentMax ? 'met' : 'not met';
  const measured = `at most ${worstPercent.toFixed(1)} %`;
  console.log(`native is within ${overheadPercentMax} % of C: ${verdict}, ${measured}`);
}

/** Cost and quality at each complexity. They take turns, so that a busy machine meets all. */
function compareComplexities() {
  const backend = new NativeBackend(loadOpusAddon());
  const complexities = Array.from({ length: 11 }, (_, complexity) => complexity);
  console.log('complexity: µs per frame / noise-to-mask dB / spectral distance dB (* = chosen)');
  console.log(`| | ${complexities.join(' | ')} |\n|${'---|'.repeat(complexities.length + 1)}`);
  for (const each of material(recorded())) {
    const settingsAt = (complexity) => encoderSettings(each.format, { complexity });
    const results = complexities.map(() => []);
    for (let round = 0; round < rounds; round++) {
      for (const complexity of complexities) {
        results[complexity].push(run(backend, each, settingsAt(complexity)));
      }
    }
    const chosen = encoderSettings(each.format).complexity;
    const cells = complexities.map((complexity) => {
      const { noiseToMaskDb, spectralDistanceDb } = errorOf(backend, each, settingsAt(complexity));
      const cost = middle(results[complexity]).encodeUs.toFixed(0);
      const star = complexity === chosen ? '*' : '';
      return `${star}${cost} / ${noiseToMaskDb.toFixed(2)} / ${spectralDistanceDb.toFixed(2)}`;
    });
    console.log(`| ${each.name} | ${cells.join(' | ')} |`);
  }
}

/** Of what is heard: of mono, where the level makes it that, else the mean of both channels. */
function errorOf(backend, { format, channels, pcm }, settings) {
  const { heard, lookahead } = codedAndHeard(backend, { format, channels, pcm }, settings);
  const split = (samples) => {
    const signals = splitChannels(samples, channels);
    return settings.forcedChannels === 1 ? [mixDown(signals)] : signals;
  };
  const [sound, coded] = [split(pcm), split(heard)];
  const errors = sound.map((signal, channel) => {
    // Of two delays, as SILK's sound is later than CELT's.
    const delays = [0, 2, 3].map((more) => lookahead + more);
    const tried = delays.map((delay) =>
      codingError(signal, coded[channel].subarray(delay), Math.min(format.rate / 2, 20_000)),
    );
    return tried.reduce((a, b) => (b.noiseToMaskDb < a.noiseToMaskDb ? b : a));
  });
  const mean = (key) => errors.reduce((sum, error) => sum + error[key], 0) / errors.length;
  return { noiseToMaskDb: mean('noiseToMaskDb'), spectralDistanceDb: mean('spectralDistanceDb') };
}

/** @returns what is heard: as long as `pcm`, later by the encoder's look-ahead. */
function codedAndHeard(backend, { format, channels, pcm }, settings) {
  const frames = format.frameMs * 48;
  const samples = frames * channels;
  const encoder = backend.createEncoder(format.application, channels, settings);
  const decoder = backend.createDecoder(channels);
  const lookahead = encoder.lookaheadSamples;
  const packet = new Uint8Array(4096);
  const heard = new Int16Array(pcm.length);
  for (let at = 0; at + samples <= pcm.length; at += samples) {
    const length = encoder.encode(pcm.slice(at, at + samples), frames, packet);
    decoder.decode(packet.subarray(0, length), heard.subarray(at, at + samples));
  }
  encoder.close();
  decoder.close();
  return { heard, lookahead };
}

/** What the encoders are given to cost: arithmetic, the same everywhere. */
function synthetic() {
  return { music: musicSignal, speech: speechSignal };
}

/** What quality is measured with: the demo's programme, and alsa-utils' announcer. */
function recorded() {
  const folder = '/usr/share/sounds/alsa';
  const wavHeaderBytes = 44;
  const files = readdirSync(folder).filter((name) => /^(Front|Rear|Side).*\.wav$/.test(name));
  const bytes = files.sort().map((name) => readFileSync(join(folder, name)));
  const { buffer } = Uint8Array.from(Buffer.concat(bytes.map((b) => b.subarray(wavHeaderBytes))));
  const voice = new Int16Array(buffer, 0, buffer.byteLength >> 1);
  const programme = makeProgramme();
  return {
    music: (frames, channels) => programme.slice(0, frames * channels),
    speech: (frames, channels) =>
      Int16Array.from(
        { length: frames * channels },
        (_, i) => voice[Math.floor(i / channels) % voice.length],
      ),
  };
}

function* material({ music, speech } = synthetic()) {
  for (const direction of ['output', 'input']) {
    for (const level of qualityLevels) {
      const deviceChannels = direction === 'output' ? 2 : 1;
      const format = effectiveFormat({
        direction,
        profile: 'microphone',
        level,
        deviceChannels,
      });
      const signal = level === 'low' || direction === 'input' ? speech : music;
      const name = `${level} ${direction === 'output' ? 'output' : 'microphone'}`;
      const pcm = signal(seconds * 48_000, deviceChannels);
      yield { name, format, channels: deviceChannels, pcm };
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
  return `${encodeUs.toFixed(1)} / ${decodeUs.toFixed(1)}`;
}
