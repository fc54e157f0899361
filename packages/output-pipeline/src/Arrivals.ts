import type { ReceivedPacket, SourceFeedback } from '@kvm-audio/protocol';
import { ArrivalMeter } from './ArrivalMeter.js';

/** Nothing that is sent as it comes was captured longer ago. */
const captureAgeUsMax = 10_000_000;
/** Without packets for so long the stream has ended, whatever its source says. */
const dryUs = 1_000_000;

/** What came of packets: all of them, and what the source of the present is told of its own. */
export class Arrivals {
  #meter = new ArrivalMeter();
  #framesReceived = 0;
  #bytes = 0;
  #lastUs = 0;
  /** Late packets, when the source was told last. */
  #lateTold = 0;

  get framesReceived(): number {
    return this.#framesReceived;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Another source: its packets are counted anew. */
  begin(): void {
    this.#meter = new ArrivalMeter();
  }

  /** A capture time that cannot be is taken from the packet. */
  note(packet: ReceivedPacket, nowUs: number): void {
    this.#framesReceived += 1;
    this.#bytes += packet.payloadBytes;
    this.#lastUs = nowUs;
    const ageUs = nowUs - (packet.captureTimeUs ?? nowUs);
    if (ageUs < 0 || ageUs > captureAgeUsMax) packet.captureTimeUs = undefined;
    this.#meter.onPacket(packet, nowUs);
  }

  isStreaming(nowUs: number): boolean {
    return nowUs - this.#lastUs < dryUs;
  }

  /**
   * Since the last call: for the source's bitrate and its FEC.
   *
   * @param latePackets all that were too late so far.
   */
  feedback(latePackets: number, playoutDelayMs: number): SourceFeedback {
    const late = latePackets - this.#lateTold;
    this.#lateTold = latePackets;
    return { ...this.#meter.take(late), playoutDelayMs };
  }
}
