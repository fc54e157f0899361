import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeProgramme } from '../../packages/cli/dist/demo/programme.js';
import { playOn } from '../helpers/PcmRecording.js';
import type { TestProcess } from '../helpers/TestProcess.js';
import { makeChirpTrack, rate } from './chirps.js';
import type { Subject } from './Subject.js';

/** Plays chirps over music into a subject, for so long. */
export function playTrack({ inputCard, folder }: Subject, seconds: number): TestProcess {
  const track = join(folder, 'chirps.raw');
  const pcm = makeChirpTrack(Math.round(seconds * rate), makeProgramme());
  writeFileSync(track, Buffer.from(pcm.buffer));
  return playOn(inputCard, track);
}
