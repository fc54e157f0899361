import {
  framesAt,
  type JitterBuffer,
  type LatencyHistogram,
  type OpusDecoder,
  type PacketSlot,
  type PlayoutStep,
} from '@kvm-audio/audio';
import { type DropCounts, mediaRate, type ReceivedPacket } from '@kvm-audio/protocol';

/** One slot of the PCM ring: `pcm[offsetFrames, offsetFrames + frames)` is played. */
export type PcmSlot = {
  readonly pcm: Int16Array;
  offsetFrames: number;
  frames: number;
};

/** Where PCM goes: the ring in front of the card, as the alsa addon has it. */
export interface PcmSink {
  acquire(): PcmSlot | undefined;
  commit(slot: PcmSlot): void;
  /**
   * Whether the card takes samples, how many frames are unplayed in ring and device at `nowUs`,
   * and how much silence the card's thread put in because the ring was empty, since the opening.
   */
  playout(nowUs: number): { streaming: boolean; queuedFrames: number; silenceFrames: number };
  endOfStream(): void;
}

export type PlayerCounters = {
  drops: DropCounts;
  concealedFrames: number;
  /** Frames that were cut out to get back to the target. */
  trimmedFrames: number;
};

export type PlayerOptions = {
  channels: number;
  /** Unplayed audio wanted just before the next frame comes, in frames. */
  targetFrames: number;
  /** At or under this much unplayed audio a missing packet is concealed, in frames. */
  lowWaterFrames: number;
  /** Encoder's look-ahead of the source: its share of the latency, in samples. */
  lookaheadSamples: number;
};

const framesPerMs = mediaRate / 1000;
/** More than this over the target, for a whole window, is cut out: little at first, then rarely. */
const excessFrames = { first: 2 * framesPerMs, later: 5 * framesPerMs };
/** Over how long the margin is watched: shortly after a start, then always. */
const windowUs = { first: 200_000, later: 1_000_000 };
const firstWindows = 3;
/** Cross-fade over a cut. */
const blendFrames = 5 * framesPerMs;
/** The longest Opus frame: the ring's slots hold no more, a longer packet is refused. */
const packetFramesMax = 60 * framesPerMs;
/** Decoded audio never runs further ahead than this over the target; the rest waits as packets. */
const aheadFrames = 60 * framesPerMs;

/**
 * From packets to PCM, on the timeline of the jitter buffer. A packet that is next in order is
 * decoded when it arrives, so that one margin, the unplayed PCM, covers the jitter of the sender
 * and of this process alike; the card's low-water mark only decides that a missing packet is
 * missing. Everything runs on the event loop, in `onPacket` and `onLowWater`.
 */
export class Player {
  readonly #sink: PcmSink;
  readonly #decoder: OpusDecoder;
  readonly #jitter: JitterBuffer;
  readonly #latency: LatencyHistogram;
  readonly #options: PlayerOptions;
  readonly #counters: PlayerCounters;
  /** As seen at the last look, with what was committed since. */
  #streaming = false;
  #fillFrames = 0;
  #silenceSeen: number;
  #marginMin = Number.POSITIVE_INFINITY;
  #windowEndUs = 0;
  #windows = 0;
  #blend = false;

  constructor(
    sink: PcmSink,
    decoder: OpusDecoder,
    jitter: JitterBuffer,
    latency: LatencyHistogram,
    counters: PlayerCounters,
    options: PlayerOptions,
  ) {
    this.#sink = sink;
    this.#decoder = decoder;
    this.#jitter = jitter;
    this.#latency = latency;
    this.#counters = counters;
    this.#options = options;
    this.#silenceSeen = sink.playout(0).silenceFrames;
  }

  onPacket(packet: ReceivedPacket, nowUs: number): void {
    const frames = framesAt(packet.bytes, packet.payloadStart, packet.payloadEnd);
    if (frames === undefined || frames > packetFramesMax) {
      this.#counters.drops.decode_error += 1;
      return;
    }
    this.#look(nowUs);
    const dropped = this.#jitter.insert(packet, frames, nowUs / 1000);
    if (dropped !== undefined) this.#counters.drops[dropped] += 1;
    else this.#watchMargin(frames, nowUs);
    this.#pump(nowUs);
  }

  onLowWater(nowUs: number): void {
    this.#look(nowUs);
    this.#pump(nowUs);
  }

  /** The source has ended: what is queued is played, then the device rests. */
  end(nowUs: number): void {
    this.#look(nowUs);
    let more = true;
    while (more && this.#jitter.queuedFrames > 0) {
      more = this.#playStep(this.#jitter.next(true), nowUs);
    }
    this.rest();
  }

  /** Nothing comes any more: an empty ring is no underrun from now on. */
  rest(): void {
    this.#jitter.reset();
    this.#decoder.reset();
    this.#sink.endOfStream();
    this.#windows = 0;
    this.#windowEndUs = 0;
  }

  /** Silence that the card's thread put in is time that has passed for the stream too. */
  #look(nowUs: number): void {
    const { streaming, queuedFrames, silenceFrames } = this.#sink.playout(nowUs);
    this.#streaming = streaming;
    this.#fillFrames = queuedFrames;
    this.#jitter.skip(silenceFrames - this.#silenceSeen);
    this.#silenceSeen = silenceFrames;
  }

  #pump(nowUs: number): void {
    const { targetFrames, lowWaterFrames } = this.#options;
    while (this.#fillFrames <= targetFrames + aheadFrames && this.#sink.acquire()) {
      const urgent = this.#streaming && this.#fillFrames <= lowWaterFrames;
      if (!this.#playStep(this.#jitter.next(urgent), nowUs)) return;
    }
  }

  #commit(slot: PcmSlot): void {
    if (slot.frames === 0) return;
    this.#sink.commit(slot);
    this.#fillFrames += slot.frames;
  }

  /** @returns whether there may be more to do. */
  #playStep(step: PlayoutStep, nowUs: number): boolean {
    if (step.action === 'wait') return false;
    if (step.action === 'decode' && step.restart) this.#restoreMargin();
    const slot = this.#sink.acquire();
    if (!slot) {
      this.#counters.drops.playback_ring_full += 1;
      // The packet that redundancy is taken from stays in the jitter buffer.
      if (step.action === 'decode') step.packet?.release();
      return false;
    }
    slot.offsetFrames = step.trimFrames;
    slot.frames = step.frames - step.trimFrames;
    if (step.action === 'decode') this.#decode(step, slot, nowUs);
    else this.#conceal(step, slot);
    return true;
  }

  #decode(step: PlayoutStep, slot: PcmSlot, nowUs: number): void {
    const packet = step.packet as PacketSlot;
    try {
      this.#decoder.decode(packet.payload, slot.pcm);
    } catch {
      this.#counters.drops.decode_error += 1;
      this.#decoder.conceal(step.frames, slot.pcm);
      this.#counters.concealedFrames += step.frames;
    }
    if (this.#blend && slot.frames > 0) this.#blendCut(slot);
    this.#blend = false;
    this.#measure(packet, step.trimFrames, nowUs);
    packet.release();
    this.#commit(slot);
  }

  #conceal(step: PlayoutStep, slot: PcmSlot): void {
    if (step.action !== 'fec' || !step.packet || !this.#decodeFec(step.packet, step, slot)) {
      this.#decoder.conceal(step.frames, slot.pcm);
    }
    this.#counters.concealedFrames += slot.frames;
    this.#commit(slot);
  }

  /** @returns false where the packet is broken; its own decoding will count that. */
  #decodeFec(packet: PacketSlot, step: PlayoutStep, slot: PcmSlot): boolean {
    try {
      this.#decoder.decodeFec(packet.payload, step.frames, slot.pcm);
      return true;
    } catch {
      return false;
    }
  }

  /** A new timeline starts with its margin; a stream that starts gets it from the card's thread. */
  #restoreMargin(): void {
    const { targetFrames, channels } = this.#options;
    if (!this.#streaming) {
      this.#streaming = true;
      this.#fillFrames = targetFrames;
      return;
    }
    const missing = Math.round(targetFrames - this.#fillFrames);
    const slot = missing > 0 ? this.#sink.acquire() : undefined;
    if (!slot) return;
    slot.offsetFrames = 0;
    slot.frames = missing;
    slot.pcm.fill(0, 0, missing * channels);
    this.#commit(slot);
  }

  /** The margin is what is unplayed before this packet counts. Too much of it is cut out. */
  #watchMargin(frames: number, nowUs: number): void {
    if (!this.#streaming) return;
    const margin = this.#fillFrames + this.#jitter.queuedFrames - frames;
    this.#marginMin = Math.min(this.#marginMin, margin);
    if (this.#windowEndUs === 0) this.#windowEndUs = nowUs + windowUs.first;
    if (nowUs < this.#windowEndUs) return;
    const excess = this.#marginMin - this.#options.targetFrames;
    const cut = Math.min(Math.round(excess), Math.floor(frames / 2));
    const starting = this.#windows < firstWindows;
    if (excess > (starting ? excessFrames.first : excessFrames.later)) {
      this.#jitter.skip(cut);
      this.#counters.trimmedFrames += cut;
      this.#blend = true;
    }
    this.#windows += 1;
    this.#marginMin = Number.POSITIVE_INFINITY;
    this.#windowEndUs = nowUs + (starting ? windowUs.first : windowUs.later);
  }

  /** Fades from what would have been played into what is, so that a cut makes no click. */
  #blendCut(slot: PcmSlot): void {
    const { channels } = this.#options;
    const { pcm, offsetFrames } = slot;
    const count = Math.min(blendFrames, slot.frames);
    for (let i = 0; i < count; i++) {
      const weight = (i + 1) / (count + 1);
      for (let c = 0; c < channels; c++) {
        const from = pcm[i * channels + c] ?? 0;
        const at = (offsetFrames + i) * channels + c;
        pcm[at] = Math.round(from + ((pcm[at] ?? 0) - from) * weight);
      }
    }
  }

  #measure(packet: PacketSlot, trimFrames: number, nowUs: number): void {
    const queued = this.#fillFrames - trimFrames + this.#options.lookaheadSamples;
    const sinceCapture =
      packet.captureTimeUs === undefined ? 0 : (nowUs - packet.captureTimeUs) / 1000;
    this.#latency.add(sinceCapture + queued / framesPerMs, nowUs / 1000);
  }
}
