import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type Direction, Listener, socketPath } from '@kvm-audio/client';
import { cardTime, monotonicMs } from './cardTime.js';
import { PcmRecording } from './PcmRecording.js';
import { silences } from './silences.js';
import type { TestDaemon } from './TestDaemon.js';
import { waitFor } from './waitFor.js';

const steadyMs = 1_500;
const replugWaitMs = 10_000;
const silentFramesMin = 2;
/** The margin that a stream begins with: `output.targetMs` by default. */
const startSilenceFrames = 480;

/** Plugs a card in again. @returns after how many ms of that there was sound again. */
export const soundIsBackMs: Record<Direction, (daemon: TestDaemon) => Promise<number>> = {
  output: outputIsBackMs,
  input: inputIsBackMs,
};

/**
 * From the replug until sound comes out of the card. Where the recorder came later than the sound,
 * it is where the stream began on the card, and the silence that it begins with.
 */
async function outputIsBackMs(daemon: TestDaemon): Promise<number> {
  const atMs = monotonicMs();
  await daemon.outputCard.control('replug');
  const recording = await PcmRecording.start(daemon.outputCard, join(daemon.folder, 'back.raw'));
  try {
    await daemon.waitForStatus(
      'running output',
      ({ output }) => output.stream?.state === 'running',
      replugWaitMs,
    );
    await pause(steadyMs);
    const status = await daemon.outputCard.status();
    const pcm = await recording.stop();
    const [first] = silences(pcm, 0, pcm.length / 2, silentFramesMin);
    const { startFrames } = recording;
    const began = status.playback.start + startSilenceFrames;
    const heard = first?.from === 0 ? startFrames + first.until : Math.min(startFrames, began);
    return cardTime(status).msAt(heard) - atMs;
  } finally {
    await recording.abandon();
  }
}

/** From the replug until a listener has the first packet whose sound is from after it. */
async function inputIsBackMs(daemon: TestDaemon): Promise<number> {
  const path = socketPath(daemon.runtimeFolder, 'input');
  const listener = new Listener({ path, client: 'replug' });
  let arrivedMs: number | undefined;
  let atMs = Number.POSITIVE_INFINITY;
  listener.on('packet', ({ captureTimeUs }) => {
    if ((captureTimeUs ?? 0) / 1000 > atMs) arrivedMs ??= monotonicMs();
  });
  try {
    await new Promise<void>((resolve) => listener.once('connected', () => resolve()));
    atMs = monotonicMs();
    await daemon.inputCard.control('replug');
    const backMs = await waitFor('packet after the replug', () => arrivedMs, replugWaitMs);
    return backMs - atMs;
  } finally {
    listener.close();
  }
}
