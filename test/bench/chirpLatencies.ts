import type { Signal } from '../helpers/signal.js';
import type { CardStatus } from '../helpers/VirtualCard.js';
import { ChirpFinder, chirpEveryFrames } from './chirps.js';

const rate = 48_000;

/** A card's position as a time, and back: exact, for the card is paced by CLOCK_MONOTONIC. */
export function cardTime({ monotonicNs, position }: CardStatus) {
  return {
    msAt: (frame: number): number => monotonicNs / 1e6 - ((position - frame) * 1000) / rate,
    frameAt: (ms: number): number => position - ((monotonicNs / 1e6 - ms) * rate) / 1000,
  };
}

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
  const finder = new ChirpFinder(sound);
  const latenciesMs: number[] = [];
  let lostChirps = 0;
  const { start } = input.playback;
  const first = Math.ceil((played.frameAt(fromMs) - start) / chirpEveryFrames);
  for (let index = first; ; index++) {
    const atMs = played.msAt(start + index * chirpEveryFrames);
    if (atMs > untilMs) break;
    const found = finder.find(index, heard.frameAt(atMs) - recordedFrom);
    if (found === undefined) lostChirps += 1;
    else latenciesMs.push((found * 1000) / rate);
  }
  return { latenciesMs, lostChirps };
}
