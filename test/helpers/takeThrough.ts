import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PcmRecording, pcmFormat, playOn } from './PcmRecording.js';
import type { TestDaemon } from './TestDaemon.js';

/** Longer than any way through the program: what is recorded after the end holds its last sample. */
const tailSeconds = 1;

/**
 * Plays samples, one part after the other, into the daemon's input card and records what its output card plays meanwhile.
 * Something has to bridge the two. The recording begins before the first sample comes out and
 * ends after the last one has.
 */
export async function takeThrough(
  daemon: TestDaemon,
  ...parts: readonly Int16Array[]
): Promise<Int16Array> {
  const { rate, channels } = pcmFormat;
  const played = join(daemon.folder, 'played.raw');
  const tail = Buffer.alloc(2 * channels * Math.round(tailSeconds * rate));
  const bytes = parts.map((pcm) => Buffer.from(pcm.buffer, pcm.byteOffset, pcm.byteLength));
  writeFileSync(played, Buffer.concat([...bytes, tail]));
  const recording = await PcmRecording.start(daemon.outputCard, join(daemon.folder, 'heard.raw'));
  try {
    const xruns = (await daemon.inputCard.status()).playback.xruns;
    const player = playOn(daemon.inputCard, played);
    const { code } = await player.ended;
    if (code !== 0) throw new Error(`aplay ended with code ${code}: ${player.output}`);
    if ((await daemon.inputCard.status()).playback.xruns !== xruns) {
      throw new Error('the player itself made a gap');
    }
    return await recording.stop();
  } finally {
    await recording.abandon();
  }
}
