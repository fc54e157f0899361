import { type AddonCapturePath, loadAddon } from './addon.js';
import type { DeviceStream } from './DeviceStream.js';

/** What a frame that was carried is told by. Times are microseconds of CLOCK_MONOTONIC. */
export type CarriedFrame = {
  /** of its first sample */
  timeUs: number;
  /** see CaptureSlot */
  lateUs: number;
  positionFrames: number;
  /** when its encoding began and ended, and when all clients had it */
  startUs: number;
  encodedUs: number;
  sentUs: number;
  payloadBytes: number;
};

export type CaptureEngagement = {
  /** the `role` of a native encoder */
  encoder: object;
  /** the `gate` of each client's socket */
  gates: readonly object[];
  /** where each packet is made, behind room for the wire header; the thread's until disengage() */
  packet: Uint8Array;
  /** of the ring's slots: another length is not plain */
  slotFrames: number;
  /** of the next packet */
  seq: number;
  mediaTime: number;
  /** after so many frames the stream wakes its owner, who is to take the stream back and read on */
  tellRows: number;
};

export type CaptureCarried = {
  frames: number;
  /** the first client that did not take the last packet, which lies in `packet`; else -1 */
  unsentFrom: number;
};

const nothingCarried: CaptureCarried = { frames: 0, unsentFrom: -1 };

/** The order of CaptureFastPath::Value. */
const [TIME_US, LATE_US, POSITION_FRAMES, START_US, ENCODED_US, SENT_US, PAYLOAD_BYTES] = [
  0, 1, 2, 3, 4, 5, 6,
] as const;

/** Where the ring's reader stands; whoever has the stream moves it. */
export type RingReader = { index: number };

/** The order of the state that disengage() fills in. */
const [RING_INDEX, UNSENT_FROM] = [0, 1] as const;

/**
 * The device thread encodes what it has captured and sends it, while JavaScript sleeps: between
 * engage() and disengage() the ring and the encoder are that thread's. A frame that is not plain
 * stays in the ring, and wakes the stream's owner. Made by PcmCapture, closed with it.
 */
export class CaptureFastPath {
  readonly #addon: AddonCapturePath;
  readonly #ring: RingReader;
  readonly #rows: Float64Array;
  readonly #rowValues: number;
  readonly #state = new Int32Array(3);
  readonly #carried: CaptureCarried = { frames: 0, unsentFrom: -1 };
  readonly #frame: CarriedFrame = {
    timeUs: 0,
    lateUs: 0,
    positionFrames: 0,
    startUs: 0,
    encodedUs: 0,
    sentUs: 0,
    payloadBytes: 0,
  };
  #engaged = false;
  #closed = false;

  constructor(stream: DeviceStream, ring: RingReader) {
    const addon = loadAddon();
    this.#ring = ring;
    const { fastPathRowsMax, capturePathValues } = stream.layout;
    this.#rowValues = capturePathValues;
    this.#rows = new Float64Array(fastPathRowsMax * capturePathValues);
    this.#addon = new addon.CaptureFastPath(
      stream.lendTo(() => this.#close()),
      this.#rows,
    );
  }

  get engaged(): boolean {
    return this.#engaged;
  }

  /** @returns false once the stream has ended: nothing is lent. */
  engage(engagement: CaptureEngagement): boolean {
    if (this.#closed) return false;
    const { encoder, gates, packet, slotFrames, seq, mediaTime, tellRows } = engagement;
    this.#engaged = true;
    this.#addon.engage(
      ...([encoder, gates, packet, this.#ring.index] as const),
      ...([slotFrames, seq, mediaTime, tellRows] as const),
    );
    return true;
  }

  /** What was carried since engage(). Always the same object, filled anew. */
  disengage(): CaptureCarried {
    if (!this.#engaged) return nothingCarried;
    this.#engaged = false;
    // A stream that has ended has let go of it already.
    if (!this.#closed) this.#fetch();
    return this.#carried;
  }

  /** The frame `index` of those that were carried; the same object each time. */
  frame(index: number): CarriedFrame {
    const at = index * this.#rowValues;
    const rows = this.#rows;
    const frame = this.#frame;
    frame.timeUs = rows[at + TIME_US]!;
    frame.lateUs = rows[at + LATE_US]!;
    frame.positionFrames = rows[at + POSITION_FRAMES]!;
    frame.startUs = rows[at + START_US]!;
    frame.encodedUs = rows[at + ENCODED_US]!;
    frame.sentUs = rows[at + SENT_US]!;
    frame.payloadBytes = rows[at + PAYLOAD_BYTES]!;
    return frame;
  }

  #fetch(): void {
    this.#carried.frames = this.#addon.disengage(this.#state);
    this.#carried.unsentFrom = this.#state[UNSENT_FROM]!;
    this.#ring.index = this.#state[RING_INDEX]!;
  }

  #close(): void {
    if (this.#closed) return;
    if (this.#engaged) this.#fetch();
    this.#closed = true;
  }
}
