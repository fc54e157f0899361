import { mediaRate, packetFlags, type ReceivedPacket } from '@kvm-audio/protocol';
import { packetMsOf } from './opusPacketMs.js';

const samplesPerMs = mediaRate / 1_000;

/** Audio that did not come. */
export type Gap = {
  /** Whole packets by their sequence numbers; after a restart of the pipeline, by its length. */
  packets: number;
  /** Milliseconds by the media time; 0 where the sender has no clock that tells. */
  ms: number;
};

/** How far `seq` is ahead of `last`, as numbers that wrap: negative where it is behind. */
function ahead(seq: number, last: number): number {
  return (seq - last) | 0;
}

/**
 * One stream out of those of all connections: `seq` and `mediaTime` go on over a loss of the
 * connection, and over a restart of the pipeline, which begins to count anew. Then they move on by
 * the time that has passed between the captures.
 */
export class ResumedStream {
  #server: number | undefined;
  /** No packet of the present connection has come. */
  #reconnected = false;
  #restarted = false;
  #seqOffset = 0;
  #mediaOffset = 0;
  #last: { seq: number; mediaTime: number; samples: number; captureTimeUs: number | undefined } = {
    seq: 0,
    mediaTime: 0,
    samples: 0,
    captureTimeUs: undefined,
  };
  #begun = false;

  /** A connection is there. `server` is the process id of the pipeline. */
  onConnected(server: number): void {
    this.#restarted ||= this.#server !== server;
    this.#server = server;
    this.#reconnected = true;
  }

  /**
   * Puts the packet in its place in the stream. The first one after a connection was lost is
   * flagged as a discontinuity where something is missing in front of it.
   *
   * @returns what is missing in front of it.
   */
  resume(packet: ReceivedPacket): Gap | undefined {
    const last = this.#last;
    const gap = this.#begun ? this.#place(packet) : undefined;
    if (gap && this.#reconnected) packet.flags |= packetFlags.discontinuity;
    this.#begun = true;
    this.#reconnected = false;
    this.#restarted = false;
    last.seq = packet.seq;
    last.mediaTime = packet.mediaTime;
    last.captureTimeUs = packet.captureTimeUs;
    const { bytes, payloadStart } = packet;
    const packetMs = packetMsOf(bytes[payloadStart] ?? 0, bytes[payloadStart + 1] ?? 0);
    if (packetMs !== undefined) last.samples = packetMs * samplesPerMs;
    return gap;
  }

  #place(packet: ReceivedPacket): Gap | undefined {
    const last = this.#last;
    const seq = (packet.seq + this.#seqOffset) >>> 0;
    const behind = this.#reconnected && ahead(seq, last.seq) <= 0;
    if (this.#restarted || behind) return this.#placeAnew(packet);
    packet.seq = seq;
    packet.mediaTime += this.#mediaOffset;
    const packets = ahead(seq, last.seq) - 1;
    return packets > 0 ? { packets, ms: this.#missedMs(packet) } : undefined;
  }

  /** The pipeline counts anew: what is missing is what the clock says. */
  #placeAnew(packet: ReceivedPacket): Gap {
    const last = this.#last;
    const known = packet.captureTimeUs !== undefined && last.captureTimeUs !== undefined;
    const passedUs = known ? packet.captureTimeUs! - last.captureTimeUs! : 0;
    const passed = Math.max(last.samples, Math.round((passedUs * samplesPerMs) / 1_000));
    const packets = last.samples === 0 ? 0 : Math.round(passed / last.samples) - 1;
    const seq = (last.seq + packets + 1) >>> 0;
    const mediaTime = last.mediaTime + passed;
    this.#seqOffset = (seq - packet.seq) >>> 0;
    this.#mediaOffset = mediaTime - packet.mediaTime;
    packet.seq = seq;
    packet.mediaTime = mediaTime;
    return { packets, ms: this.#missedMs(packet) };
  }

  #missedMs({ mediaTime }: ReceivedPacket): number {
    const last = this.#last;
    return Math.max(0, mediaTime - last.mediaTime - last.samples) / samplesPerMs;
  }
}
