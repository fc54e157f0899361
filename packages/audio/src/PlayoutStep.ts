import type { PacketSlot } from './PacketSlot.js';

/** What is to be done to get the next audio. The object is used again by the next call. */
export type PlayoutStep = {
  /**
   * decode: `packet`, `frames` long, without its first `trimFrames`; the caller releases it.
   * fec: `frames` before `packet`, which stays here, from its redundancy where it has any; trimmed
   * in the same way.
   * conceal: `frames` of packet loss concealment, a multiple of 2.5 ms as Opus wants it.
   * wait: nothing to do before the next packet or the next low-water mark.
   * rest: the same, and nothing is missing: the source pauses.
   */
  action: 'decode' | 'fec' | 'conceal' | 'wait' | 'rest';
  packet: PacketSlot | undefined;
  frames: number;
  trimFrames: number;
  /** decode: the packet begins a new timeline; nothing before it connects to it. */
  restart: boolean;
  /** conceal: nothing was lost, the source pauses (DTX). */
  comfort: boolean;
};
