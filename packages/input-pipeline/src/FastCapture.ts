import type { PacketSlot } from '@kvm-audio/audio';
import type { CarriedFrame, PcmCapture } from '@kvm-audio/native-alsa/alsa';
import { mediaRate } from '@kvm-audio/protocol';
import type { PacketNumbers } from './PacketNumbers.js';
import type { SinkSet } from './SinkSet.js';

const framesPerMs = mediaRate / 1000;
/** What was carried is looked at so often, if nothing else is the reason before: a report. */
const lookMs = 2_750;

/**
 * The fast path of an open card: while its stream is steady, frames go from the ring to the
 * clients' sockets on the card's own thread. It is lent the encoder and the clients, and gives both
 * back as if every frame had gone the usual way.
 */
export class FastCapture {
  readonly #device: PcmCapture;
  readonly #sinks: SinkSet;
  readonly #numbers: PacketNumbers;
  readonly #onCarried: (frame: CarriedFrame, frames: number) => void;
  /** Where the thread makes its packets, while it has the stream. */
  #packet: PacketSlot | undefined;
  #slotFrames = 0;

  /** @param onCarried a frame of so many samples was encoded and sent; it is good until this returns. */
  constructor(
    device: PcmCapture,
    sinks: SinkSet,
    numbers: PacketNumbers,
    onCarried: (frame: CarriedFrame, frames: number) => void,
  ) {
    this.#device = device;
    this.#sinks = sinks;
    this.#numbers = numbers;
    this.#onCarried = onCarried;
  }

  /** The thread has the stream. */
  get isLent(): boolean {
    return this.#packet !== undefined;
  }

  /**
   * Does nothing while a packet waits for a client.
   *
   * @param encoder the native encoder's role.
   * @param acquire a packet for the thread; nothing is lent where there is none.
   */
  lend(encoder: object, frameMs: number, acquire: () => PacketSlot | undefined): void {
    const gates = this.#packet ? undefined : this.#sinks.idleGates(frameMs);
    const packet = gates && acquire();
    if (!gates || !packet) return;
    this.#slotFrames = frameMs * framesPerMs;
    const { seq, mediaTime } = this.#numbers;
    const tellRows = Math.ceil(lookMs / frameMs);
    const slotFrames = this.#slotFrames;
    const parts = { encoder, gates, packet: packet.bytes, slotFrames, seq, mediaTime, tellRows };
    if (this.#device.fastPath.engage(parts)) this.#packet = packet;
    else packet.release();
  }

  takeBack(): void {
    const packet = this.#packet;
    if (!packet) return;
    this.#packet = undefined;
    const { fastPath } = this.#device;
    const { frames, unsentFrom } = fastPath.disengage();
    for (let index = 0; index < frames; index++) this.#note(packet, fastPath.frame(index));
    if (unsentFrom < 0) this.#sinks.noteSent(frames);
    else {
      packet.seal();
      this.#sinks.noteSent(frames, { packet, had: unsentFrom });
    }
    packet.release();
  }

  /** The packet's fields become what the thread has written for this frame. */
  #note(packet: PacketSlot, frame: CarriedFrame): void {
    packet.setPayload(frame.payloadBytes);
    this.#numbers.stamp(packet, this.#numbers.pass(this.#slotFrames), {
      timeUs: frame.timeUs,
      frames: this.#slotFrames,
      discontinuity: false,
    });
    this.#onCarried(frame, this.#slotFrames);
  }
}
