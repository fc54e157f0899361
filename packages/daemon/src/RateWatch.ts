import { mediaRate } from '@kvm-audio/protocol';

export const rateWatchLimits = {
  /** What one reading is taken over. */
  windowMs: 250,
  /** A window that became longer had a standstill in it: it says nothing of the rate. */
  windowMsMax: 500,
  /** So many that are equal, one after the other, are believed. */
  readings: 3,
  /** After a change none is believed for so long: a receiver that hunts must not cost the sound. */
  coolDownMs: 5_000,
  /**
   * Share of a rate by which a reading may be off: the clocks of cards are to 0.1 %, a time stamp
   * that is late by 4 ms makes 1.6 %, and usual rates lie 8 % apart.
   */
  tolerance: 0.02,
} as const;

const { windowMs, windowMsMax, readings, coolDownMs, tolerance } = rateWatchLimits;

/** What a source of digital sound may run at, Hz (HDMI has seven of them). */
const usualRates = [
  8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 88_200, 96_000, 176_400,
  192_000,
] as const;

/** Where a card stands: in frames of 48 kHz, as it is believed to run. */
export type CardStamp = {
  readonly timeUs: number;
  readonly positionFrames: number;
  readonly discontinuity: boolean;
};

/**
 * Finds out that a card runs at another rate than it was opened with, as an HDMI receiver does when
 * its source changes, or a USB host that takes up another: from the frames that passed and the
 * card's time stamps, which every card has, whether its driver knows of the change or not. Called
 * for each frame, on the event loop; its clock is the stamps'.
 */
export class RateWatch {
  #cardRate: number = mediaRate;
  #fromUs = 0;
  #fromFrames = 0;
  #anchored = false;
  #reading = 0;
  #equal = 0;
  #quietUntilUs = 0;

  /** @param cardRate Hz that the card's frames are taken for. */
  onOpened(cardRate: number): void {
    this.#cardRate = cardRate;
    this.#anchored = false;
    this.#equal = 0;
  }

  /** @returns the rate at which the card runs in truth, once it is believed. */
  onFrame(stamp: CardStamp): number | undefined {
    if (stamp.discontinuity || !this.#anchored) {
      this.#anchor(stamp);
      return undefined;
    }
    const elapsedUs = stamp.timeUs - this.#fromUs;
    if (elapsedUs < windowMs * 1000) return undefined;
    const frames = stamp.positionFrames - this.#fromFrames;
    this.#anchor(stamp);
    if (elapsedUs > windowMsMax * 1000) return undefined;
    const paceFrames = (frames / elapsedUs) * 1e6;
    this.#count(usualRateAt((paceFrames / mediaRate) * this.#cardRate));
    return this.#believed(stamp.timeUs);
  }

  #anchor({ timeUs, positionFrames }: CardStamp): void {
    this.#anchored = true;
    this.#fromUs = timeUs;
    this.#fromFrames = positionFrames;
  }

  #count(reading: number): void {
    this.#equal = reading === this.#reading ? this.#equal + 1 : 1;
    this.#reading = reading;
  }

  #believed(nowUs: number): number | undefined {
    if (this.#reading === 0 || this.#reading === this.#cardRate) return undefined;
    if (this.#equal < readings || nowUs < this.#quietUntilUs) return undefined;
    this.#quietUntilUs = nowUs + coolDownMs * 1000;
    return this.#reading;
  }
}

/** 0 = none is near. */
function usualRateAt(hz: number): number {
  return usualRates.find((rate) => Math.abs(hz - rate) <= tolerance * rate) ?? 0;
}
