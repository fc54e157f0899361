import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PcmRecording, pcmFormat, playOn } from '../helpers/PcmRecording.js';
import type { TestDaemon } from '../helpers/TestDaemon.js';

export type ToneReport = {
  recordedSeconds: number;
  /** Stretches of the recording that are silent where the tone should be, and their sum. */
  gaps: number;
  gapMs: number;
};

const { rate, channels } = pcmFormat;
const hz = 1_000;
const windowFrames = (2 * rate) / 1_000;
/** A window whose loudest sample is below is silent: the tone's is 16,000. */
const silentBelow = 4_000;
/** A tone of so much lies on the disk and is played again and again. */
const fileSeconds = 600;

/** Plays a tone into the daemon and records what comes out of it while `work` runs. */
export async function playTone(daemon: TestDaemon, work: () => Promise<void>): Promise<ToneReport> {
  const file = join(daemon.folder, 'tone.raw');
  const second = Int16Array.from({ length: rate * channels }, (_, i) =>
    Math.round(16_000 * Math.sin((2 * Math.PI * hz * Math.floor(i / channels)) / rate)),
  );
  writeFileSync(file, Buffer.concat(Array<Buffer>(fileSeconds).fill(Buffer.from(second.buffer))));
  const player = playOn(daemon.inputCard, file);
  const recording = await PcmRecording.start(daemon.outputCard, join(daemon.folder, 'heard.raw'));
  try {
    await recording.waitFor(rate);
    await work();
    player.assertRunning();
    return gapsIn(await recording.stop());
  } finally {
    await recording.abandon();
    if (player.running) await player.stop('SIGKILL');
  }
}

function gapsIn(heard: Int16Array): ToneReport {
  const step = windowFrames * channels;
  let gaps = 0;
  let silent = 0;
  let before = true;
  let begun = false;
  for (let at = 0; at + step <= heard.length; at += step) {
    const loudest = heard.subarray(at, at + step).reduce((a, b) => Math.max(a, Math.abs(b)), 0);
    const quiet = loudest < silentBelow;
    begun ||= !quiet;
    if (begun && quiet) {
      silent += 1;
      if (!before) gaps += 1;
    }
    before = quiet;
  }
  const recordedSeconds = heard.length / channels / rate;
  return { recordedSeconds, gaps, gapMs: (silent * windowFrames * 1_000) / rate };
}
