import { strict as assert } from 'node:assert';
import { type DropPlace, mediaRate, packetFlags, type ReceivedPacket } from '@kvm-audio/protocol';
import { hasRedundancy, isDtx } from './codec/opusPacket.js';
import type { FramePool } from './FramePool.js';
import { type JitterBufferLimits, jitterBufferLimits } from './jitterBufferLimits.js';
import type { PacketSlot } from './PacketSlot.js';
import type { PlayoutStep } from './PlayoutStep.js';

/** How much audio is to be unplayed when a packet comes; it may change at any time. */
export interface PlayoutGoal {
  readonly goalFrames: number;
}

/** A packet that would go straight through, and what is done where it does not come. */
export type PlainNext = {
  nextSeq: number;
  /** media time of its first sample, which is the first that was not given out */
  playTime: number;
  /** so much is made up at a time, and so much before it is waited for */
  concealFrames: number;
  concealFramesMax: number;
};

const framesPerMs = mediaRate / 1000;
/** Every Opus duration is a multiple of 2.5 ms (RFC 6716 §2.1.4). */
const opusQuantumFrames = 2.5 * framesPerMs;
/** Audio is made up in pieces of so much, so that a packet that is a little late loses little. */
const concealStepFrames = 5 * framesPerMs;
/** Packets behind the newest that was taken which can be told from their copies. */
const takenMax = 32;
/** Packets whose lateness falls by so much were held up, and catch up. */
const catchUpMs = 10;

function behindOf(mediaTime: number, captureTimeUs: number | undefined): number {
  return ((captureTimeUs ?? Number.NaN) * framesPerMs) / 1000 - mediaTime;
}

/**
 * Puts packets in order and says what is to be played next. It runs on one timeline, media time:
 * `playTime` is the first sample that was not given out yet, and it moves on with the card
 * whatever arrives (concealment and the card's own silence count), so that a stall never adds
 * delay: what comes too late is dropped or trimmed.
 * Knows no clock and no device; not re-entrant; all slots come from and go back to `pool`.
 */
export class JitterBuffer {
  readonly #pool: FramePool<PacketSlot>;
  readonly #limits: JitterBufferLimits;
  readonly #step: PlayoutStep = {
    action: 'wait',
    packet: undefined,
    frames: 0,
    trimFrames: 0,
    restart: false,
    comfort: false,
  };
  /** In order of media time; at most `packetsMax`. */
  readonly #queue: PacketSlot[] = [];
  #queuedFrames = 0;
  #size: { packets: number; target: PlayoutGoal } | undefined;
  #packetFrames = 0;
  #playTime: number | undefined;
  /** Where the sound of packets ends: up to #playTime the rest was made up, or the card's silence. */
  #soundEndTime = 0;
  #lastSeq = 0;
  /** By how much its media time is less than its capture time, in samples; NaN where that is not told. */
  #lastBehind = Number.NaN;
  #concealedRun = 0;
  #lateSinceMs: number | undefined;
  /** Arrival less media time of the packet that came at #lateSinceMs. */
  #lateTransitMs = 0;
  #restart = true;
  #pauses = false;
  /** Media times of the packets that were taken last; a ring. */
  readonly #taken = new Float64Array(takenMax).fill(-1);
  #takenNext = 0;

  constructor(pool: FramePool<PacketSlot>, limits: JitterBufferLimits = jitterBufferLimits) {
    this.#pool = pool;
    this.#limits = limits;
  }

  /** Audio that waits, in 48 kHz samples. */
  get queuedFrames(): number {
    return this.#queuedFrames;
  }

  /** Media time of the first sample that was not given out yet; undefined before a timeline. */
  get playTime(): number | undefined {
    return this.#restart ? undefined : this.#playTime;
  }

  /** Given out since the last packet was: made up, or the card's silence. */
  get madeUpFrames(): number {
    return Math.max(0, (this.#playTime ?? 0) - this.#soundEndTime);
  }

  /** Length of the newest packet, in 48 kHz samples. */
  get packetFrames(): number {
    return this.#packetFrames;
  }

  /** The source said last that it pauses. */
  get pauses(): boolean {
    return this.#pauses;
  }

  /** What would go straight through; undefined where the next packet is not as simple. */
  get plainNext(): PlainNext | undefined {
    if (this.#restart || this.#queue.length > 0) return undefined;
    const concealFramesMax = this.#concealFramesMax - this.#concealedRun;
    if (this.#playTime === undefined || concealFramesMax < concealStepFrames) return undefined;
    return {
      nextSeq: (this.#lastSeq + 1) >>> 0,
      playTime: this.#playTime,
      concealFrames: concealStepFrames,
      concealFramesMax,
    };
  }

  /**
   * Begins a new timeline where its source's media time has stood still since the packet that was
   * taken last, as it does where only what is sent is counted: what seems late then is not. Its capture
   * time tells; where there is none, that a pause was announced and nothing is missing.
   */
  followStandstill(packet: ReceivedPacket): void {
    if (this.#hasStoodStill(packet)) this.reset();
  }

  #hasStoodStill({ seq, mediaTime, captureTimeUs }: ReceivedPacket): boolean {
    if (this.#playTime === undefined || this.#restart || mediaTime >= this.#playTime) return false;
    if (seq !== (this.#lastSeq + 1) >>> 0) return false;
    const stoodFrames = behindOf(mediaTime, captureTimeUs) - this.#lastBehind;
    if (Number.isNaN(stoodFrames)) return this.#pauses && mediaTime === this.#soundEndTime;
    return stoodFrames >= Math.max(this.#playTime - mediaTime, this.#packetFrames);
  }

  /** A packet as `plainNext` describes it has been played without coming here. */
  pass({ seq, mediaTime, captureTimeUs }: ReceivedPacket, frames: number): void {
    assert(mediaTime === this.#playTime, 'the packet that was next');
    this.#packetFrames = frames;
    this.#lateSinceMs = undefined;
    this.#playTime = this.#soundEndTime = mediaTime + frames;
    this.#noteTaken(seq, mediaTime, captureTimeUs);
  }

  /** So much was made up in the place of what `plainNext` describes, as next() would have it. */
  passConcealed(frames: number): void {
    assert(this.#playTime !== undefined, 'a timeline');
    this.#playTime += frames;
    this.#concealedRun += frames;
  }

  /**
   * A packet that `insert` found late has been decoded all the same, and not heard.
   *
   * @returns false, and does nothing, where it was not next in order: that would be of no use.
   */
  passLate({ seq, mediaTime, captureTimeUs }: ReceivedPacket): boolean {
    if (this.#playTime === undefined || this.#restart) return false;
    if (seq !== (this.#lastSeq + 1) >>> 0) return false;
    const concealed = this.#concealedRun;
    this.#noteTaken(seq, mediaTime, captureTimeUs);
    this.#concealedRun = concealed;
    return true;
  }

  /**
   * Takes a copy of the packet.
   *
   * @param frames its length in 48 kHz samples, from its TOC byte.
   * @returns undefined, or the place where audio was dropped: this packet, or the oldest.
   */
  insert(packet: ReceivedPacket, frames: number, nowMs: number): DropPlace | undefined {
    if (this.#isCopyOfTaken(packet)) return 'duplicate_packet';
    if (this.#isLate(packet, frames, nowMs)) return 'late_packet';
    let index = this.#queue.length;
    while (index > 0 && this.#mediaTimeAt(index - 1) > packet.mediaTime) index -= 1;
    if (index > 0 && this.#mediaTimeAt(index - 1) === packet.mediaTime) return 'duplicate_packet';
    this.#packetFrames = frames;
    const overflow = this.#makeRoom(frames);
    const slot = this.#pool.acquire();
    if (!slot) return 'pool_empty';
    slot.seq = packet.seq;
    slot.mediaTime = packet.mediaTime;
    slot.captureTimeUs = packet.captureTimeUs;
    slot.arrivalUs = nowMs * 1000;
    slot.flags = packet.flags;
    slot.frames = frames;
    packet.bytes.copy(slot.room, 0, packet.payloadStart, packet.payloadEnd);
    slot.setPayload(packet.payloadBytes);
    // Nearly always behind all others.
    if (index - overflow >= this.#queue.length) this.#queue.push(slot);
    else this.#queue.splice(Math.max(0, index - overflow), 0, slot);
    this.#queuedFrames += frames;
    return overflow > 0 ? 'jitter_overflow' : undefined;
  }

  /**
   * So many packets may wait from now on, but always the playout target and one packet.
   *
   * @param targetFrames audio that is wanted unplayed when the next packet comes.
   * @returns how many of the oldest packets were too many.
   */
  resize(packets: number, target: PlayoutGoal): number {
    this.#size = { packets, target };
    return this.#makeRoom(0);
  }

  /** Audio that may wait here where packets are `packetFrames` long. */
  capacityFrames(packetFrames: number): number {
    const { capacityMs, sizedMsMax } = this.#limits;
    if (!this.#size) return capacityMs * framesPerMs;
    const { packets, target } = this.#size;
    const sizedFrames = Math.min(packets * packetFrames, sizedMsMax * framesPerMs);
    return Math.max(sizedFrames, target.goalFrames + packetFrames);
  }

  /**
   * @param urgent the card needs audio now: do not wait for a packet that is missing.
   */
  next(urgent: boolean): PlayoutStep {
    const head = this.#queue[0];
    if (!head) return urgent ? this.#concealEmpty() : this.#say('wait', 0);
    this.#playTime ??= head.mediaTime;
    const gap = head.mediaTime - this.#playTime;
    if (this.#restart || gap <= 0 || !this.#isFilled(head, gap)) return this.#takeHead(head);
    // Where nothing is missing, behind a pause, there is nothing to wait for.
    const isNext = head.seq === (this.#lastSeq + 1) >>> 0;
    if (!urgent && !isNext) return this.#say('wait', 0);
    return this.#fillGap(head, gap);
  }

  /** The card played `frames` of silence of its own: the audio for that time is too late now. */
  skip(frames: number): void {
    if (this.#playTime !== undefined) this.#playTime += frames;
  }

  /** Forgets the timeline: the next packet begins a new one. Gives all slots back. */
  reset(): void {
    for (const slot of this.#queue) slot.release();
    this.#queue.length = 0;
    this.#queuedFrames = 0;
    this.#playTime = undefined;
    this.#restart = true;
    this.#concealedRun = 0;
    this.#lateSinceMs = undefined;
    this.#pauses = false;
    this.#taken.fill(-1);
  }

  #isCopyOfTaken({ mediaTime, flags }: ReceivedPacket): boolean {
    if (this.#playTime === undefined || mediaTime >= this.#playTime) return false;
    return !(flags & packetFlags.discontinuity) && this.#taken.includes(mediaTime);
  }

  /** Late for a moment is dropped; late for long, or by announcement, is a new timeline. */
  #isLate(packet: ReceivedPacket, frames: number, nowMs: number): boolean {
    if (this.#playTime === undefined || this.#restart) return false;
    if (packet.flags & packetFlags.discontinuity) {
      if (packet.mediaTime < this.#playTime) this.reset();
      return false;
    }
    if (packet.mediaTime + frames > this.#playTime) {
      this.#lateSinceMs = undefined;
      return false;
    }
    const transitMs = nowMs - packet.mediaTime / framesPerMs;
    if (this.#lateSinceMs === undefined || transitMs < this.#lateTransitMs - catchUpMs) {
      this.#lateSinceMs = nowMs;
      this.#lateTransitMs = transitMs;
    }
    if (nowMs - this.#lateSinceMs < this.#limits.lateMsMax) return true;
    this.reset();
    return false;
  }

  /**
   * @param frames of the packet that comes; 0 = none does.
   * @returns how many of the oldest packets were dropped.
   */
  #makeRoom(frames: number): number {
    let dropped = 0;
    const capacity = this.capacityFrames(this.#packetFrames);
    const packetsMax = this.#limits.packetsMax - (frames > 0 ? 1 : 0);
    while (
      this.#queue.length > 0 &&
      (this.#queue.length > packetsMax || this.#queuedFrames + frames > capacity)
    ) {
      const oldest = this.#shift();
      const end = oldest.mediaTime + oldest.frames;
      this.#playTime = this.#soundEndTime = Math.max(this.#playTime ?? end, end);
      oldest.release();
      dropped += 1;
    }
    return dropped;
  }

  /** @param index of a packet that waits: outside of an array V8 looks for a property of that name. */
  #mediaTimeAt(index: number): number {
    return this.#queue[index]?.mediaTime ?? 0;
  }

  #shift(): PacketSlot {
    const slot = this.#queue.shift();
    assert(slot, 'a queued packet');
    this.#queuedFrames -= slot.frames;
    return slot;
  }

  /** A gap is filled when packets are missing in it, or a pause was announced, and it is short. */
  #isFilled(head: PacketSlot, gap: number): boolean {
    if (head.flags & packetFlags.discontinuity) return false;
    if (head.seq === (this.#lastSeq + 1) >>> 0 && !this.#pauses) return false;
    return gap <= this.#limits.concealMsMax * framesPerMs;
  }

  #takeHead(head: PacketSlot): PlayoutStep {
    const playTime = this.#playTime ?? head.mediaTime;
    const announced = (head.flags & packetFlags.discontinuity) !== 0;
    const early = playTime - head.mediaTime;
    const trim = announced || early < 0 ? 0 : early;
    this.#shift();
    const step = this.#say('decode', head.frames);
    step.packet = head;
    step.trimFrames = Math.min(trim, head.frames);
    step.restart = this.#restart || announced || early < 0;
    const end = head.mediaTime + head.frames;
    // A packet whose time has passed whole moves nothing: what is behind it is trimmed too.
    this.#playTime = this.#soundEndTime = step.restart ? end : Math.max(playTime, end);
    this.#noteTaken(head.seq, head.mediaTime, head.captureTimeUs);
    this.#pauses = (head.flags & packetFlags.dtx) !== 0 || isDtx(head.payloadBytes);
    this.#restart = false;
    return step;
  }

  #noteTaken(seq: number, mediaTime: number, captureTimeUs: number | undefined): void {
    this.#lastSeq = seq;
    this.#lastBehind = behindOf(mediaTime, captureTimeUs);
    this.#taken[this.#takenNext] = mediaTime;
    this.#takenNext = (this.#takenNext + 1) % takenMax;
    this.#concealedRun = 0;
  }

  #fillGap(head: PacketSlot, gap: number): PlayoutStep {
    const tells = !this.#pauses && hasRedundancy(head.payload);
    // Without, a part of a packet's time would be cut from what is made up for the whole.
    if (!this.#pauses && (gap === head.frames || (tells && gap < head.frames))) {
      const step = this.#say('fec', head.frames);
      step.packet = head;
      step.trimFrames = head.frames - gap;
      this.#playTime = head.mediaTime;
      return step;
    }
    const made = gap > head.frames && !this.#pauses ? gap - head.frames : gap;
    const missing = Math.ceil(made / opusQuantumFrames) * opusQuantumFrames;
    return this.#conceal(Math.min(missing, concealStepFrames));
  }

  get #concealFramesMax(): number {
    const { concealMsMax, comfortMsMax } = this.#limits;
    return (this.#pauses ? comfortMsMax : concealMsMax) * framesPerMs;
  }

  #concealEmpty(): PlayoutStep {
    if (this.#playTime === undefined || this.#restart) return this.#say('wait', 0);
    if (this.#concealedRun >= this.#concealFramesMax)
      return this.#say(this.#pauses ? 'rest' : 'wait', 0);
    this.#concealedRun += concealStepFrames;
    return this.#conceal(concealStepFrames);
  }

  #conceal(frames: number): PlayoutStep {
    this.#playTime = (this.#playTime ?? 0) + frames;
    const step = this.#say('conceal', frames);
    step.comfort = this.#pauses;
    return step;
  }

  #say(action: PlayoutStep['action'], frames: number): PlayoutStep {
    const step = this.#step;
    step.action = action;
    step.frames = frames;
    step.packet = undefined;
    step.trimFrames = 0;
    step.restart = false;
    step.comfort = false;
    return step;
  }
}
