import type { AlsaError } from './AlsaError.js';
import { limits } from './limits.js';

/** What the playback thread is to keep, in frames; live by setMargins(). */
export type Margins = {
  /** when the ring is empty and the card itself holds only this much, the thread fades out */
  guardFrames: number;
  /** total unplayed (ring + device) at which JavaScript is woken: see PcmEvents.wake */
  lowWaterFrames: number;
  /** silence before the first slot when the stream starts or restarts */
  startSilenceFrames: number;
};

export type PcmOptions = Margins & {
  /** any ALSA PCM name */
  device: string;
  /** Hz, of all frames here; a card that has another is resampled */
  rate: number;
  /** 1 or 2, of all frames here; a card that has others is mixed */
  channels: number;
  /**
   * Hz at which the card's frames really come, where that was measured: it is asked for, and
   * converted from whatever the card says. Without it the card is believed.
   */
  cardRate?: number;
  /** in frames of `rate`; the nearest is negotiated and reported */
  periodFrames: number;
  bufferFrames: number;
  /** capture: frames per slot at the start; playback: 0 */
  slotFrames: number;
  /** capacity of one slot */
  slotFramesMax: number;
  slotCount: number;
  /** of the device thread; 0 = leave it alone */
  schedFifoPriority: number;
};

/** What a card may be; all else is S16_LE. */
export type CardFormat = 'S16_LE' | 'S32_LE' | 'S24_LE' | 'S24_3LE';

/** What the card is, in its own frames. */
export type Negotiated = {
  rate: number;
  channels: number;
  periodFrames: number;
  bufferFrames: number;
  format: CardFormat;
  cardName: string;
  /**
   * playback, in frames of the stream: of what is queued, so much waits in the resampler for the
   * frames after it. The margins count it; it is no delay of its own
   */
  heldFrames: number;
  /** playback: the range of the card's own pitch control, where it has one */
  pitchPpm?: { min: number; max: number };
  /** why the real-time priority was refused */
  priorityError?: string;
};

/** All are called on the JavaScript thread, none after close(). */
export interface PcmEvents {
  opened(negotiated: Negotiated): void;
  /**
   * Coalesced: at most one is pending. Capture: a slot was filled since the last one; read until
   * peek() gives nothing. Playback: low water, once per commit,
   * and again where silence was put in and has gone by.
   */
  wake(): void;
  /** The device is lost or could not be opened. It is closed, the thread has ended. */
  failed(error: AlsaError): void;
}

/** Throws a RangeError that names the option, its value and its bounds. */
export function check(name: string, value: number, min: number, max: number): void {
  if (Number.isInteger(value) && value >= min && value <= max) return;
  throw new RangeError(`${name} = ${value} is not a whole number from ${min} to ${max}`);
}

export function checkMargins(margins: Margins): void {
  check('guardFrames', margins.guardFrames, 0, limits.framesMax);
  check('lowWaterFrames', margins.lowWaterFrames, 0, limits.framesMax);
  check('startSilenceFrames', margins.startSilenceFrames, 0, limits.framesMax);
}

export function checkSlotFrames(frames: number, capacity: number): void {
  check('slotFrames', frames, 1, capacity);
}

export function checkOptions(options: PcmOptions, capture: boolean): void {
  const { device } = options;
  if (device.length === 0 || device.length > limits.deviceNameMax || device.includes('\0')) {
    throw new RangeError(`device = ${JSON.stringify(device)} is not a PCM name`);
  }
  check('rate', options.rate, limits.rateMin, limits.rateMax);
  if (options.cardRate !== undefined) {
    check('cardRate', options.cardRate, limits.rateMin, limits.rateMax);
  }
  check('channels', options.channels, 1, limits.channelsMax);
  check('periodFrames', options.periodFrames, 1, limits.framesMax);
  check('bufferFrames', options.bufferFrames, options.periodFrames, limits.framesMax);
  check('slotFramesMax', options.slotFramesMax, 1, limits.slotFramesMax);
  check('slotCount', options.slotCount, 1, limits.slotCountMax);
  check('schedFifoPriority', options.schedFifoPriority, 0, limits.schedFifoPriorityMax);
  if (capture) checkSlotFrames(options.slotFrames, options.slotFramesMax);
  else checkMargins(options);
}
