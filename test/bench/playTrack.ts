import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeProgramme } from '../../packages/cli/dist/demo/programme.js';
import { playOn } from '../helpers/PcmRecording.js';
import type { TestProcess } from '../helpers/TestProcess.js';
import type { VirtualCard } from '../helpers/VirtualCard.js';
import { makeChirpTrack, rate } from './chirps.js';

/** Chirps over music, for so long. @returns the path of its samples. */
export function makeTrack(folder: string, seconds: number): string {
  const track = join(folder, 'chirps.raw');
  const pcm = makeChirpTrack(Math.ceil(seconds * rate), makeProgramme());
  writeFileSync(track, Buffer.from(pcm.buffer));
  return track;
}

/** Plays such a track into a card. */
export function playTrack(
  { inputCard, folder }: { inputCard: VirtualCard; folder: string },
  seconds: number,
): TestProcess {
  return playOn(inputCard, makeTrack(folder, seconds));
}
