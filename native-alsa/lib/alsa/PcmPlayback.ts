import { type CloseResult, DeviceStream } from './DeviceStream.js';
import type { Margins, PcmEvents, PcmOptions } from './options.js';
import { checkMargins } from './options.js';
import { PlayoutFastPath, type RingWriter } from './PlayoutFastPath.js';

/** Fields of a slot's header (src/alsa/StreamMemory.h), in words. */
const FRAMES = 0;
const OFFSET_FRAMES = 1;

/** kStop: the number of the stop() above these bits, the ring's index in them. */
const STOP_INDEX_BITS = 12;

/** A slot to write into, a view on the stream's memory. Its writer's until commit(). */
export type PlaybackSlot = {
  /** interleaved; the slot's whole capacity */
  readonly pcm: Int16Array;
  readonly index: number;
  /** what commit() publishes: pcm from offsetFrames on, `frames` long */
  offsetFrames: number;
  frames: number;
};

export type Playout = {
  /** the device takes samples, and no stop() is under way */
  streaming: boolean;
  /**
   * unplayed: the ring and the device's buffer, extrapolated from when the thread last looked. It
   * is how long the device can go on (less Negotiated.heldFrames); what the card holds beyond its
   * buffer is in deviceDelayFrames only
   */
  queuedFrames: number;
  /** of these, what waits in the ring */
  ringFrames: number;
  /** what the card holds beyond its buffer, so that it is heard so much later */
  beyondFrames: number;
  /** see PlaybackCounters */
  silenceFrames: number;
  lastProgressUs: number;
  /** where the device stood at `seenUs`, from anywhere: only the difference of two means anything */
  playedFrames: number;
  /** CLOCK_MONOTONIC, microseconds; of the device's own time stamp */
  seenUs: number;
};

export type PlaybackCounters = {
  /** from the ring into the device */
  framesPlayed: number;
  /**
   * inserted because the ring was empty while streaming, or passed while the device recovered from
   * an xrun; the start's silence is not counted
   */
  silenceFrames: number;
  /** how often that began, but for pauses */
  underruns: number;
  /** when it began last, CLOCK_MONOTONIC, microseconds; 0 = never */
  underrunUs: number;
  /** of the device */
  xruns: number;
  /** of JavaScript by the device thread, but for a fast path’s */
  wakeups: number;
  pollRounds: number;
  /** the device took nothing for 200 ms */
  pollTimeouts: number;
  lastProgressUs: number;
  /** since when the thread has been inside libasound, 0 = it is not */
  inCallSinceUs: number;
  streaming: 0 | 1;
  /** snd_pcm_delay, and what waits in front of the card, when the thread last looked */
  deviceDelayFrames: number;
};

/**
 * Plays a ring of slots on an ALSA device, on a thread of its own. `opened` or `failed` follows
 * the construction. But for waking the thread, which a commit and what changes its course do, all
 * is plain memory access.
 */
export class PcmPlayback {
  readonly #stream: DeviceStream;
  readonly #slots: readonly PlaybackSlot[];
  readonly #counters: PlaybackCounters = {
    framesPlayed: 0,
    silenceFrames: 0,
    underruns: 0,
    underrunUs: 0,
    xruns: 0,
    wakeups: 0,
    pollRounds: 0,
    pollTimeouts: 0,
    lastProgressUs: 0,
    inCallSinceUs: 0,
    streaming: 0,
    deviceDelayFrames: 0,
  };
  readonly #playout: Playout = {
    streaming: false,
    queuedFrames: 0,
    ringFrames: 0,
    beyondFrames: 0,
    silenceFrames: 0,
    lastProgressUs: 0,
    playedFrames: 0,
    seenUs: 0,
  };
  readonly #ring: RingWriter = { index: 0, committedFrames: 0, stopWord: 0 };
  #startSilenceFrames: number;
  #stops = 0;
  #committedFramesAtStop = 0;

  constructor(options: PcmOptions, events: PcmEvents) {
    this.#stream = new DeviceStream(false, { ...options, slotFrames: 0 }, events);
    this.#startSilenceFrames = options.startSilenceFrames;
    this.#slots = this.#stream.memory
      .slots(options.slotFramesMax * options.channels)
      .map((pcm, index): PlaybackSlot => ({ pcm, index, offsetFrames: 0, frames: 0 }));
  }

  /**
   * Reads a source's plain packets and plays them, past JavaScript. While it is engaged nothing
   * else writes into the ring. Made anew by each call: once for a stream.
   *
   * @param history where what was given out is kept, interleaved; its newest `historyFrames` stay.
   */
  makeFastPath(history: Int16Array, historyFrames: number): PlayoutFastPath {
    return new PlayoutFastPath(this.#stream, this.#ring, history, historyFrames);
  }

  /** The next free slot; nothing when the ring is full, or after close(). */
  acquire(): PlaybackSlot | undefined {
    const { memory, layout, open } = this.#stream;
    if (!open) return undefined;
    const used = memory.distance(memory.load(layout.threadIndex), this.#ring.index);
    return used === memory.slotCount ? undefined : this.#slots[memory.slotOf(this.#ring.index)];
  }

  /**
   * Publishes pcm from offsetFrames on, `frames` long. The first one after the opening, after
   * stop() and after the end of a stream starts the device. Does nothing after close().
   */
  commit(slot: PlaybackSlot): void {
    const { memory, layout, open } = this.#stream;
    if (!open) return;
    if (slot !== this.acquire()) throw new Error('commit() of a slot that is not the next one');
    this.#checkExtent(slot);
    memory.setHeaderInt(slot.index, FRAMES, slot.frames);
    memory.setHeaderInt(slot.index, OFFSET_FRAMES, slot.offsetFrames);
    this.#ring.committedFrames += slot.frames;
    this.#ring.index = memory.next(this.#ring.index);
    memory.store(layout.endOfStream, 0);
    memory.store(layout.jsIndex, this.#ring.index);
    this.#stream.kick();
  }

  #checkExtent({ offsetFrames, frames }: PlaybackSlot): void {
    const most = this.#stream.options.slotFramesMax;
    const whole = Number.isInteger(offsetFrames) && Number.isInteger(frames);
    if (whole && offsetFrames >= 0 && frames >= 1 && offsetFrames + frames <= most) return;
    throw new RangeError(
      `offsetFrames = ${offsetFrames} and frames = ${frames} are not within a slot of ${most}`,
    );
  }

  /** What is unplayed at `nowUs`: see Playout. */
  queuedFrames(nowUs: number): number {
    return this.playout(nowUs).queuedFrames;
  }

  /** What the last call of playout() said: for who has need of it at the same moment. */
  get lastPlayout(): Readonly<Playout> {
    return this.#playout;
  }

  /** Where playing stands at `nowUs`. Always the same object, filled anew. */
  playout(nowUs: number): Playout {
    const { memory, layout } = this.#stream;
    const statistics = memory.statistics(layout.playoutStatisticCount);
    const playout = this.#playout;
    const stopped = statistics[layout.stopSeen] !== this.#ring.stopWord;
    playout.streaming = statistics[layout.streaming] === 1 && !stopped;
    playout.silenceFrames = statistics[layout.silenceFrames]!;
    playout.lastProgressUs = statistics[layout.lastProgressUs]!;
    playout.beyondFrames = statistics[layout.beyondFrames]!;
    playout.playedFrames =
      statistics[layout.framesMoved]! + playout.silenceFrames - statistics[layout.fillFrames]!;
    playout.seenUs = statistics[layout.fillUs]!;
    playout.ringFrames = this.#ringFrames(statistics);
    playout.queuedFrames = playout.streaming
      ? playout.ringFrames + this.#inDevice(statistics, nowUs)
      : this.#beforeTheStart(playout.ringFrames);
    return playout;
  }

  #inDevice(statistics: Float64Array, nowUs: number): number {
    const { layout, options } = this.#stream;
    const elapsedUs = statistics[layout.advancing] === 1 ? nowUs - statistics[layout.fillUs]! : 0;
    const playedFrames = (elapsedUs * options.rate) / 1e6;
    return Math.max(0, statistics[layout.fillFrames]! - playedFrames);
  }

  #ringFrames(statistics: Float64Array): number {
    const { layout } = this.#stream;
    if (statistics[layout.stopSeen] !== this.#ring.stopWord) {
      return this.#ring.committedFrames - this.#committedFramesAtStop;
    }
    const taken = statistics[layout.framesMoved]! + statistics[layout.framesDropped]!;
    // What a fast path has carried since it last told is known as taken only.
    return Math.max(0, this.#ring.committedFrames - taken);
  }

  #beforeTheStart(ringFrames: number): number {
    return ringFrames > 0 ? ringFrames + this.#startSilenceFrames : 0;
  }

  /**
   * The source has ended: running dry is not an underrun, and when all is played the stream stops.
   * A commit() takes it back.
   */
  endOfStream(): void {
    if (!this.#stream.open) return;
    this.#stream.memory.store(this.#stream.layout.endOfStream, 1);
    this.#stream.kick();
  }

  /** Whether the source has said that it pauses: silence in its place is no underrun. */
  setPauses(pauses: boolean): void {
    if (!this.#stream.open) return;
    this.#stream.memory.store(this.#stream.layout.pauses, pauses ? 1 : 0);
  }

  /** Drops at once what is queued; the next commit() starts anew. */
  stop(): void {
    const { memory, layout, open } = this.#stream;
    if (!open) return;
    this.#stops = (this.#stops + 1) & 0x7ffff;
    this.#ring.stopWord = (this.#stops << STOP_INDEX_BITS) | this.#ring.index;
    this.#committedFramesAtStop = this.#ring.committedFrames;
    memory.store(layout.stop, this.#ring.stopWord);
    this.#stream.kick();
  }

  /** Live; the start's silence counts from the next start on. */
  setMargins(margins: Margins): void {
    checkMargins(margins);
    const { memory, layout, open } = this.#stream;
    if (!open) return;
    this.#startSilenceFrames = margins.startSilenceFrames;
    memory.store(layout.guardFrames, margins.guardFrames);
    memory.store(layout.lowWaterFrames, margins.lowWaterFrames);
    memory.store(layout.startSilenceFrames, margins.startSilenceFrames);
    this.#stream.kick();
  }

  /**
   * Plays faster by so much, slower where it is negative, by the card's own pitch control. The
   * thread sets it, within half a second, and back to 0 while the device does not stream.
   *
   * @param ppm whole ones are set, within what the control can do.
   * @returns what is left of `ppm` for others to do: all of it where the card has no such control
   *   or, but for where it stands, refuses; 0 where the control does it.
   */
  steer(ppm: number): number {
    const { memory, layout, open } = this.#stream;
    const minPpm = memory.load(layout.pitchMinPpm);
    const maxPpm = memory.load(layout.pitchMaxPpm);
    if (!open || minPpm === maxPpm) return ppm;
    memory.store(layout.pitchPpm, Math.max(minPpm, Math.min(maxPpm, Math.round(ppm))));
    if (memory.load(layout.pitchRefused) === 1) return ppm - memory.load(layout.pitchSetPpm);
    if (ppm > maxPpm) return ppm - maxPpm;
    return Math.min(0, ppm - minPpm);
  }

  /** Always the same object, filled anew. */
  counters(): PlaybackCounters {
    const { layout } = this.#stream;
    const counters = this.#counters;
    const statistics = this.#stream.readCounters(counters);
    counters.framesPlayed = statistics[layout.framesMoved]!;
    counters.silenceFrames = statistics[layout.silenceFrames]!;
    counters.underruns = statistics[layout.underruns]!;
    counters.underrunUs = statistics[layout.underrunUs]!;
    counters.deviceDelayFrames = statistics[layout.deviceDelayFrames]!;
    return counters;
  }

  /**
   * Stops the thread, which drops and closes the device. A thread that is not back within the
   * limit is left behind ('abandoned'); it keeps its memory and can do no harm. Idempotent.
   */
  close(timeoutMs: number): Promise<CloseResult> {
    return this.#stream.close(timeoutMs);
  }
}
