/** One slot of the PCM ring: `pcm[offsetFrames, offsetFrames + frames)` is played. */
export type PcmSlot = {
  readonly pcm: Int16Array;
  offsetFrames: number;
  frames: number;
};

/** Where playing stands. */
export type Playout = {
  /** The card takes samples. */
  streaming: boolean;
  /** Unplayed in ring and device. */
  queuedFrames: number;
  /** Of these, what waits in the ring. */
  ringFrames: number;
  /** What the card holds beyond its buffer: it is heard so much later. */
  beyondFrames: number;
  /** Silence that the card's thread put in because the ring was empty, since the opening. */
  silenceFrames: number;
  /** When the card was last seen to move on, 0 = never. */
  lastProgressUs: number;
};

/** Where PCM goes: the ring in front of the card, as the alsa addon has it. */
export interface PcmSink {
  acquire(): PcmSlot | undefined;
  commit(slot: PcmSlot): void;
  playout(nowUs: number): Playout;
  /** Drops at once what is queued; the next commit starts anew. */
  stop(): void;
  endOfStream(): void;
  /** Whether the source has said that it pauses: silence in its place is no underrun. */
  setPauses(pauses: boolean): void;
  /**
   * Where the card's own pace can be steered: positive plays faster.
   *
   * @returns what is left of it to be done by others.
   */
  steer?(ppm: number): number;
  /** Live; the start's silence counts from the next start on. */
  setMargins(margins: PcmMargins): void;
}

/** In frames: what the card's thread keeps, when it calls, and the silence that it starts with. */
export type PcmMargins = {
  guardFrames: number;
  lowWaterFrames: number;
  startSilenceFrames: number;
};
