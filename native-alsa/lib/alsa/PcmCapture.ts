import { CaptureFastPath, type RingReader } from './CaptureFastPath.js';
import { type CloseResult, DeviceStream } from './DeviceStream.js';
import type { PcmEvents, PcmOptions } from './options.js';
import { checkSlotFrames } from './options.js';

/** Fields of a slot's header (src/alsa/StreamMemory.h), in words and in doubles. */
const FRAMES = 0;
const DISCONTINUITY = 2;
const LATE_US = 3;
const TIME_US = 2;
const POSITION_FRAMES = 3;

/** A filled slot, a view on the stream's memory. Valid until release(); one object per slot. */
export type CaptureSlot = {
  /** interleaved; the slot's whole capacity, `frames` of it are filled */
  readonly pcm: Int16Array;
  frames: number;
  /** CLOCK_MONOTONIC of the first sample, by the card's own clock where it has one */
  timeUs: number;
  /** from its last sample until all of it was here: what the card, and its thread, took for that */
  lateUs: number;
  /** frames since the device was opened, those that were lost included */
  positionFrames: number;
  /** samples were lost before this slot */
  discontinuity: boolean;
};

export type CaptureCounters = {
  framesRead: number;
  slotsFilled: number;
  /** slots' worth of samples that were thrown away because JavaScript was late */
  ringFullSlots: number;
  xruns: number;
  framesLost: number;
  /** of JavaScript by the device thread, but for a fast path’s */
  wakeups: number;
  pollRounds: number;
  /** the device gave nothing for 200 ms */
  pollTimeouts: number;
  lastProgressUs: number;
  /** since when the thread has been inside libasound, 0 = it is not */
  inCallSinceUs: number;
  streaming: 0 | 1;
};

/**
 * Records from an ALSA device into a ring of slots, on a thread of its own. `opened` or `failed`
 * follows the construction. peek() and release() are plain memory accesses.
 */
export class PcmCapture {
  readonly #stream: DeviceStream;
  readonly #slots: readonly CaptureSlot[];
  readonly #counters: CaptureCounters = {
    framesRead: 0,
    slotsFilled: 0,
    ringFullSlots: 0,
    xruns: 0,
    framesLost: 0,
    wakeups: 0,
    pollRounds: 0,
    pollTimeouts: 0,
    lastProgressUs: 0,
    inCallSinceUs: 0,
    streaming: 0,
  };
  readonly #ring: RingReader = { index: 0 };
  #path: CaptureFastPath | undefined;

  constructor(options: PcmOptions, events: PcmEvents) {
    const margins = { guardFrames: 0, lowWaterFrames: 0, startSilenceFrames: 0 };
    this.#stream = new DeviceStream(true, { ...options, ...margins }, events);
    this.#slots = this.#stream.memory.slots(options.slotFramesMax * options.channels).map(
      (pcm): CaptureSlot => ({
        pcm,
        frames: 0,
        timeUs: 0,
        lateUs: 0,
        positionFrames: 0,
        discontinuity: false,
      }),
    );
  }

  /** Encodes and sends what is captured, past JavaScript. While it is engaged no slot is here. */
  get fastPath(): CaptureFastPath {
    this.#path ??= new CaptureFastPath(this.#stream, this.#ring);
    return this.#path;
  }

  /** The oldest filled slot, or nothing. Nothing after close(). */
  peek(): CaptureSlot | undefined {
    const { memory, layout, open } = this.#stream;
    const next = this.#ring.index;
    if (!open || this.#path?.engaged || memory.load(layout.threadIndex) === next) return undefined;
    const index = memory.slotOf(next);
    const slot = this.#slots[index]!;
    slot.frames = memory.headerInt(index, FRAMES);
    slot.timeUs = memory.headerDouble(index, TIME_US);
    slot.lateUs = memory.headerInt(index, LATE_US);
    slot.positionFrames = memory.headerDouble(index, POSITION_FRAMES);
    slot.discontinuity = memory.headerInt(index, DISCONTINUITY) !== 0;
    return slot;
  }

  /** Gives the oldest filled slot back. Does nothing after close(). */
  release(): void {
    const { memory, layout, open } = this.#stream;
    if (!open) return;
    const ring = this.#ring;
    if (memory.load(layout.threadIndex) === ring.index) throw new Error('no slot to release');
    ring.index = memory.next(ring.index);
    memory.store(layout.jsIndex, ring.index);
  }

  /** Takes effect with the next slot. Does nothing after close(). */
  setSlotFrames(frames: number): void {
    checkSlotFrames(frames, this.#stream.options.slotFramesMax);
    if (!this.#stream.open) return;
    this.#stream.memory.store(this.#stream.layout.slotFrames, frames);
    this.#stream.kick();
  }

  /** Always the same object, filled anew. */
  counters(): CaptureCounters {
    const { layout } = this.#stream;
    const counters = this.#counters;
    const statistics = this.#stream.readCounters(counters);
    counters.framesRead = statistics[layout.framesMoved]!;
    counters.slotsFilled = statistics[layout.slotsFilled]!;
    counters.ringFullSlots = statistics[layout.ringFullSlots]!;
    counters.framesLost = statistics[layout.framesDropped]!;
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
