import { type AddonPlayoutPath, loadAddon } from './addon.js';
import type { DeviceStream } from './DeviceStream.js';

/** What a packet that was carried is told by. Frames are those at its arrival. */
export type CarriedPacket = {
  /** it did not come in time: so much was made up; what is a packet's says nothing */
  concealed: boolean;
  /** microseconds of CLOCK_MONOTONIC, as all times */
  arrivalUs: number;
  seq: number;
  mediaTime: number;
  captureTimeUs: number | undefined;
  payloadBytes: number;
  /** its length */
  frames: number;
  /** see Playout */
  queuedFrames: number;
  ringFrames: number;
  beyondFrames: number;
  playedFrames: number;
  seenUs: number;
  /** of its decoding */
  startUs: number;
  endUs: number;
  /** what went into the ring for it */
  committedFrames: number;
};

/** What is handed to the thread, and stands otherwise when it comes back. */
export type PlayoutState = {
  /** where what was given out last ends in `history`, in frames */
  historyEnd: number;
  nextSeq: number;
  /** media time of the first sample that was not given out */
  playTime: number;
};

export type PlayoutEngagement = PlayoutState & {
  /** the `role` of a native decoder */
  decoder: object;
  /** the `role` of the resampler, where packets go through it */
  resampler: object | undefined;
  /** a packet that finds more is not plain */
  marginFramesMax: number;
  /** one that finds less is played, and wakes the stream's owner */
  scarceFrames: number;
  /** where no packet comes in time, so much is made up at a time, as Opus wants it, and in all */
  concealFrames: number;
  concealFramesMax: number;
  /** of the card, so far: with more of it time has passed that the stream's does not know of */
  silenceFrames: number;
  /** a card that has not moved for so long stands still */
  standstillUs: number;
  /**
   * with the first packet from then on the stream wakes its owner, who is to take it back and look
   * at what was carried; there is room for 1280 packets
   */
  tellAtUs: number;
};

/** Where the ring's writer stands; whoever has the stream moves it. */
export type RingWriter = { index: number; committedFrames: number; stopWord: number };

/** The order of PlayoutFastPath::State. */
const state = {
  ringIndex: 0,
  ringCommitted: 1,
  historyEnd: 2,
  nextSeq: 3,
  playTime: 4,
  marginFramesMax: 5,
  silenceFrames: 6,
  stopWord: 7,
  standstillUs: 8,
  tellAtUs: 9,
  scarceFrames: 10,
  concealFrames: 11,
  concealFramesLeft: 12,
  handedOver: 13,
} as const;

/** The order of PlayoutFastPath::Value. */
const row = {
  arrivalUs: 0,
  seq: 1,
  mediaTime: 2,
  captureTimeUs: 3,
  payloadBytes: 4,
  frames: 5,
  queuedFrames: 6,
  ringFrames: 7,
  beyondFrames: 8,
  playedFrames: 9,
  seenUs: 10,
  startUs: 11,
  endUs: 12,
  committedFrames: 13,
  concealed: 14,
} as const;

/**
 * The device thread reads the plain packets of a source, decodes and plays them, while JavaScript
 * sleeps: between engage() and disengage() the source's socket, decoder, resampler, history and
 * ring are that thread's. A packet that is not plain stays unplayed, with what came behind it, and
 * wakes the stream's owner. What does not come in time is made up for a while. Made by PcmPlayback,
 * closed with it.
 */
export class PlayoutFastPath {
  readonly #addon: AddonPlayoutPath;
  readonly #ring: RingWriter;
  readonly #rows: Float64Array;
  readonly #rowValues: number;
  /** Of one of its two halves, in values. */
  readonly #halfValues: number;
  readonly #state: Float64Array;
  readonly #packet: CarriedPacket = {
    concealed: false,
    arrivalUs: 0,
    seq: 0,
    mediaTime: 0,
    captureTimeUs: undefined,
    payloadBytes: 0,
    frames: 0,
    queuedFrames: 0,
    ringFrames: 0,
    beyondFrames: 0,
    playedFrames: 0,
    seenUs: 0,
    startUs: 0,
    endUs: 0,
    committedFrames: 0,
  };
  #carried = 0;
  /** Where the half begins that the thread writes into, and the one that packet() reads. */
  #writtenFrom = 0;
  #readFrom = 0;
  #engaged = false;
  #closed = false;

  /** @param history interleaved, with room for the longest packet behind what moves in it. */
  constructor(stream: DeviceStream, ring: RingWriter, history: Int16Array, historyFrames: number) {
    const addon = loadAddon();
    this.#ring = ring;
    const { fastPathRowsMax, playoutPathValues, playoutPathState } = stream.layout;
    this.#rowValues = playoutPathValues;
    this.#halfValues = fastPathRowsMax * playoutPathValues;
    this.#rows = new Float64Array(2 * this.#halfValues);
    this.#state = new Float64Array(playoutPathState);
    this.#addon = new addon.PlayoutFastPath(
      stream.lendTo(() => this.#close()),
      this.#rows,
      history,
      historyFrames,
    );
  }

  get engaged(): boolean {
    return this.#engaged;
  }

  /**
   * @param fd a descriptor of the source's socket, which the thread closes
   * @returns false once the stream has ended: the descriptor is still the caller's.
   */
  engage(fd: number, engagement: PlayoutEngagement): boolean {
    if (this.#closed) return false;
    const values = this.#state;
    const ring = this.#ring;
    values[state.ringIndex] = ring.index;
    values[state.ringCommitted] = ring.committedFrames;
    values[state.stopWord] = ring.stopWord;
    values[state.historyEnd] = engagement.historyEnd;
    values[state.nextSeq] = engagement.nextSeq;
    values[state.playTime] = engagement.playTime;
    values[state.marginFramesMax] = engagement.marginFramesMax;
    values[state.silenceFrames] = engagement.silenceFrames;
    values[state.standstillUs] = engagement.standstillUs;
    values[state.tellAtUs] = engagement.tellAtUs;
    values[state.scarceFrames] = engagement.scarceFrames;
    values[state.concealFrames] = engagement.concealFrames;
    values[state.concealFramesLeft] = engagement.concealFramesMax;
    const { decoder, resampler } = engagement;
    this.#engaged = true;
    this.#writtenFrom = 0;
    this.#addon.engage(fd, decoder, resampler ?? null, values);
    return true;
  }

  /**
   * For packet(), while the thread goes on; what was carried before can be read no longer.
   *
   * @param tellAtUs see PlayoutEngagement; another one from now on
   * @returns how many packets were carried since engage(), or the last call; undefined where the
   *   thread does not go on: it is to be disengaged.
   */
  harvest(tellAtUs: number): number | undefined {
    if (!this.#engaged || this.#closed) return undefined;
    this.#state[state.tellAtUs] = tellAtUs;
    const carried = this.#addon.harvest(this.#state);
    if (carried < 0) return undefined;
    this.#follow();
    this.#readFrom = this.#writtenFrom;
    this.#writtenFrom = this.#halfValues - this.#writtenFrom;
    return carried;
  }

  /**
   * @returns how many packets were carried since engage(), or harvest(); 0 also where it was not
   *   engaged.
   */
  disengage(): number {
    if (!this.#engaged) return 0;
    this.#engaged = false;
    // A stream that has ended has let go of it already.
    if (!this.#closed) this.#fetch();
    return this.#carried;
  }

  /** After disengage(). */
  get historyEnd(): number {
    return this.#state[state.historyEnd]!;
  }

  /** After disengage(): it ended before, at something that is to be read. */
  get handedOver(): boolean {
    return this.#state[state.handedOver] === 1;
  }

  /** What was read and not played: from its start on, a message. Once after each disengage(). */
  takeRest(): Buffer {
    return this.#addon.rest();
  }

  /** The packet `index` of those that were told last; the same object each time. */
  packet(index: number): CarriedPacket {
    const at = this.#readFrom + index * this.#rowValues;
    const values = this.#rows;
    const packet = this.#packet;
    const captureTimeUs = values[at + row.captureTimeUs]!;
    packet.arrivalUs = values[at + row.arrivalUs]!;
    packet.seq = values[at + row.seq]!;
    packet.mediaTime = values[at + row.mediaTime]!;
    packet.captureTimeUs = Number.isNaN(captureTimeUs) ? undefined : captureTimeUs;
    packet.payloadBytes = values[at + row.payloadBytes]!;
    packet.frames = values[at + row.frames]!;
    packet.queuedFrames = values[at + row.queuedFrames]!;
    packet.ringFrames = values[at + row.ringFrames]!;
    packet.beyondFrames = values[at + row.beyondFrames]!;
    packet.playedFrames = values[at + row.playedFrames]!;
    packet.seenUs = values[at + row.seenUs]!;
    packet.startUs = values[at + row.startUs]!;
    packet.endUs = values[at + row.endUs]!;
    packet.committedFrames = values[at + row.committedFrames]!;
    packet.concealed = values[at + row.concealed] === 1;
    return packet;
  }

  #fetch(): void {
    this.#carried = this.#addon.disengage(this.#state);
    this.#readFrom = this.#writtenFrom;
    this.#follow();
  }

  /** So far the ring's writer has come. */
  #follow(): void {
    this.#ring.index = this.#state[state.ringIndex]!;
    this.#ring.committedFrames = this.#state[state.ringCommitted]!;
  }

  #close(): void {
    if (this.#closed) return;
    if (this.#engaged) this.#fetch();
    this.#closed = true;
  }
}
