import { isDtx, type PacketSlot } from '@kvm-audio/audio';
import { packetFlags } from '@kvm-audio/protocol';

/** What of a frame goes into its packet's header. */
export type FrameStamp = {
  /** of its first sample, microseconds of CLOCK_MONOTONIC */
  readonly timeUs: number;
  readonly frames: number;
  /** samples were lost before it */
  readonly discontinuity: boolean;
};

/** The numbers that the packets of a stream bear: one more each, and the media time. */
export class PacketNumbers {
  #seq = 0;
  #mediaTime = 0;

  /** Of the next packet. */
  get seq(): number {
    return this.#seq;
  }

  get mediaTime(): number {
    return this.#mediaTime;
  }

  /** A frame passes, whether a packet comes of it or not. @returns its media time. */
  pass(frames: number): number {
    const mediaTime = this.#mediaTime;
    this.#mediaTime += frames;
    return mediaTime;
  }

  /** The packet, whose payload is there, is the next of the stream. */
  stamp(packet: PacketSlot, mediaTime: number, frame: FrameStamp): void {
    packet.seq = this.#seq;
    packet.mediaTime = mediaTime;
    packet.captureTimeUs = Math.round(frame.timeUs);
    packet.frames = frame.frames;
    packet.flags =
      (frame.discontinuity ? packetFlags.discontinuity : 0) |
      (isDtx(packet.payloadBytes) ? packetFlags.dtx : 0);
    this.#seq = (this.#seq + 1) >>> 0;
  }
}
