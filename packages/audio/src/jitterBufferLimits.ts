export type JitterBufferLimits = {
  /**
   * Audio that may wait here, in milliseconds, while no size is set; beyond it the oldest goes
   * (`jitter_overflow`).
   */
  capacityMs: number;
  /** No size is more than this. */
  sizedMsMax: number;
  /** Packets that may wait, whatever their length: the size of the pool's share. */
  packetsMax: number;
  /** Longest gap that is filled with made-up audio; a longer one is skipped. */
  concealMsMax: number;
  /** A source that has said that it pauses gets comfort noise for so long, then silence. */
  comfortMsMax: number;
  /** A source that is late for so long without a pause has moved its clock: it is followed. */
  lateMsMax: number;
};

export const jitterBufferLimits: JitterBufferLimits = {
  capacityMs: 200,
  sizedMsMax: 400,
  packetsMax: 80,
  concealMsMax: 100,
  comfortMsMax: 1_000,
  lateMsMax: 100,
};
