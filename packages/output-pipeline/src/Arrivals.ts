import { FrameCount } from '@kvm-audio/daemon';
import type { ReceivedPacket, SourceFeedback } from '@kvm-audio/protocol';
import { ArrivalMeter } from './ArrivalMeter.js';

/** Nothing that is sent as it comes was captured longer ago. */
const captureAgeUsMax = 10_000_000;
/** Without packets for so long the stream has ended, whatever its source says. */
const dryUs = 1_000_000;

/** What came of packets: all of them, and what the source of the present is told of its own. */
export class Arrivals {
  #meter = new ArrivalMeter();
  /** Of all sources. */
  readonly count = new FrameCount();
  /** Late packets, when the source was told last. */
  #lateTold = 0;

  /** Another source: its packets are counted anew. */
  begin(): void {
    this.#meter = new ArrivalMeter();
  }

  /** A capture time that cannot be is taken from the packet. */
  note(packet: ReceivedPacket, nowUs: number): void {
    this.count.note(nowUs);
    this.count.addPayload(packet.payloadBytes);
    const ageUs = nowUs - (packet.captureTimeUs ?? nowUs);
    if (ageUs < 0 || ageUs > captureAgeUsMax) packet.captureTimeUs = undefined;
    this.#meter.onPacket(packet, nowUs);
  }

  isStreaming(nowUs: number): boolean {
    return this.count.silentUs(nowUs) < dryUs;
  }

  /**
   * Since the last call: for the source's bitrate and its FEC.
   *
   * @param latePackets all that were too late so far.
   */
  feedback(latePackets: number, playoutDelayMs: number): SourceFeedback {
    const late = latePackets - this.#lateTold;
    this.#lateTold = latePackets;
    const { lossPercent, jitterMs } = this.#meter.take(late);
    return { lossPercent, jitterMs, playoutDelayMs };
  }
}
