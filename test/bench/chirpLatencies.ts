import { cardTime } from '../helpers/cardTime.js';
import type { Signal } from '../helpers/signal.js';
import type { CardStatus } from '../helpers/VirtualCard.js';
import { ChirpFinder, chirpEveryFrames, type DueChirp, isHole, rate } from './chirps.js';

/** So many chirps, with their holes, tell about how long the way is. */
const chirpsToAlign = 60;

/** What was recorded of the output card, and the cards by whose clocks it is timed. */
export type Heard = {
  /** One channel. */
  sound: Signal;
  /** The output card's position at its first sample. */
  recordedFrom: number;
  input: CardStatus;
  output: CardStatus;
};

/** How late each chirp was heard that was played from one time to another, in milliseconds. */
export function chirpLatencies(
  { sound, recordedFrom, input, output }: Heard,
  fromMs: number,
  untilMs: number,
): { latenciesMs: number[]; lostChirps: number } {
  const [played, heard] = [cardTime(input), cardTime(output)];
  const { start } = input.playback;
  const due: DueChirp[] = [];
  for (let index = Math.ceil((played.frameAt(fromMs) - start) / chirpEveryFrames); ; index++) {
    const atMs = played.msAt(start + index * chirpEveryFrames);
    if (atMs > untilMs) break;
    due.push({ index, from: heard.frameAt(atMs) - recordedFrom });
  }
  const finder = new ChirpFinder(sound);
  const delay = finder.delayOf(due.slice(0, chirpsToAlign));
  const found = due
    .filter(({ index }) => !isHole(index))
    .map(({ index, from }) => finder.find(index, from + delay));
  const frames = found.filter((each) => each !== undefined);
  return {
    latenciesMs: frames.map((each) => ((each + delay) * 1000) / rate),
    lostChirps: found.length - frames.length,
  };
}
