import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LatencyReport } from '@kvm-audio/client';
import { makeProgramme } from '../../packages/cli/src/demo/programme.js';
import { chirpLatencies } from '../bench/chirpLatencies.js';
import { makeChirpTrack } from '../bench/chirps.js';
import { PcmRecording, pcmFormat, playOn } from './PcmRecording.js';
import { mixDown, splitChannels } from './signal.js';
import type { TestDaemon } from './TestDaemon.js';

const { rate, channels } = pcmFormat;
const trackSeconds = 60;
/** The last chirps that were played may not have been heard yet. */
const tailMs = 500;

/**
 * Sounds in, sounds out: how late chirps are heard on the output card that are played into the
 * input card, as somebody with two microphones would measure. Something has to bridge the two.
 *
 * @param heardSeconds so much is recorded.
 * @param judgedMs of that, so much of the end is looked at.
 * @returns what was heard, and what the daemon tells at the end of it.
 */
export async function hearChirps(
  daemon: TestDaemon,
  heardSeconds: number,
  judgedMs: number,
): Promise<{ latenciesMs: number[]; told: LatencyReport }> {
  const { inputCard, outputCard, folder } = daemon;
  const track = join(folder, 'chirps.raw');
  writeFileSync(track, makeChirpTrack(trackSeconds * rate, makeProgramme()));
  const recording = await PcmRecording.start(outputCard, join(folder, 'heard.raw'));
  const player = playOn(inputCard, track);
  try {
    await recording.waitFor(heardSeconds * rate);
    const told = await daemon.call('latency.get', {});
    const [input, output] = await Promise.all([inputCard.status(), outputCard.status()]);
    const sound = mixDown(splitChannels(await recording.stop(), channels));
    const heard = { sound, recordedFrom: recording.startFrames, input, output };
    const untilMs = input.monotonicNs / 1e6 - tailMs;
    return { latenciesMs: chirpLatencies(heard, untilMs - judgedMs, untilMs).latenciesMs, told };
  } finally {
    await recording.abandon();
    await player.stop('SIGKILL');
  }
}
