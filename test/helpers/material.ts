import { execFileSync } from 'node:child_process';
import { makeProgramme, programmeFormat } from '../../packages/cli/src/demo/programme.js';

const speechFile = '/usr/share/sounds/alsa/Front_Center.wav';
const sentence = 'Five dozen liquor jugs are in my box.';
const musicSeconds = 1.2;
/** Where the programme has its music before anybody speaks. */
const musicFromSeconds = 1;
/** Music and speech about as loud as each other. */
const musicGain = 0.6;
const speechGain = 0.8;
/** The voice is not in the middle: left and right differ in speech too. */
const panRight = 0.75;
const fadeSamples = 1_920;

/**
 * Real sound at 48 kHz stereo, about five seconds: plucked strings with a bass, a recorded
 * announcer, a synthetic voice.
 */
export function makeMaterial(): Int16Array {
  const { rate, channels } = programmeFormat;
  const from = musicFromSeconds * rate * channels;
  const music = makeProgramme().subarray(from, from + musicSeconds * rate * channels);
  const softer = Int16Array.from(music, (sample) => Math.round(sample * musicGain));
  const recorded = decode('sox', [speechFile, ...rawArgs]);
  const spoken = execFileSync('espeak-ng', ['--stdout', sentence]);
  const synthetic = decode('sox', ['-t', 'wav', '-', ...rawArgs], spoken);
  return Int16Array.from(
    [softer, panned(recorded), panned(synthetic)].flatMap((part) => [...faded(part)]),
  );
}

const rawArgs = ['-t', 'raw', '-r', '48000', '-c', '1', '-e', 'signed', '-b', '16', '-'];

function decode(command: string, args: readonly string[], input?: Buffer): Int16Array {
  const bytes = execFileSync(command, args, { input, maxBuffer: 2 ** 26, stdio: 'pipe' });
  return new Int16Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
}

function panned(mono: Int16Array): Int16Array {
  const stereo = new Int16Array(2 * mono.length);
  for (let i = 0; i < mono.length; i++) {
    stereo[2 * i] = Math.round(mono[i]! * speechGain);
    stereo[2 * i + 1] = Math.round(mono[i]! * speechGain * panRight);
  }
  return stereo;
}

/** Without a click where parts meet. */
function faded(stereo: Int16Array): Int16Array {
  for (let i = 0; i < fadeSamples; i++) {
    stereo[i] = (stereo[i]! * i) / fadeSamples;
    const last = stereo.length - 1 - i;
    stereo[last] = (stereo[last]! * i) / fadeSamples;
  }
  return stereo;
}
