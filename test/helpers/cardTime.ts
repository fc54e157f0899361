import { pcmFormat } from './PcmRecording.js';
import type { CardStatus } from './VirtualCard.js';

/** A card's position as a time of CLOCK_MONOTONIC, and back. */
export type CardTime = { msAt(frame: number): number; frameAt(ms: number): number };

/** Exact, as the card is paced by CLOCK_MONOTONIC; good for as long as the skew is the same. */
export function cardTime({ monotonicNs, position, skewPpm }: CardStatus): CardTime {
  const framesPerMs = (pcmFormat.rate / 1000) * (1 + skewPpm / 1e6);
  return {
    msAt: (frame) => monotonicNs / 1e6 - (position - frame) / framesPerMs,
    frameAt: (ms) => position - (monotonicNs / 1e6 - ms) * framesPerMs,
  };
}

export const monotonicMs = (): number => Number(process.hrtime.bigint()) / 1e6;
