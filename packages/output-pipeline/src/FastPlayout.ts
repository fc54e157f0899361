import { closeSync } from 'node:fs';
import type {
  CarriedPacket,
  PcmPlayback,
  PlayoutEngagement,
  PlayoutFastPath,
} from '@kvm-audio/native-alsa/alsa';
import { type Connection, ReceivedPacket } from '@kvm-audio/protocol';
import type { Player } from './Player.js';
import { historyFrames } from './Splicer.js';

/** A source none of whose packets is plain would cost more by a fast path than without. */
const vainMax = 4;
const restPackets = 50;

/** Is told what a fast path has done; what it is given is good until it returns. */
export interface CarriedWatcher {
  /** A packet was played. */
  onCarried(packet: ReceivedPacket, carried: CarriedPacket): void;
  /** Something was made up in the place of what did not come. */
  onConcealed(carried: CarriedPacket): void;
}

/**
 * The fast path of an open card: while its stream is steady, packets go from the source's socket
 * to the ring on the card's own thread. It is lent the source and the player, and gives both back
 * as if every packet had come to the player. What it has done so far it tells also meanwhile.
 */
export class FastPlayout {
  readonly #device: Pick<PcmPlayback, 'playout'>;
  readonly #path: PlayoutFastPath;
  readonly #player: Player;
  readonly #watcher: CarriedWatcher;
  readonly #packet = new ReceivedPacket();
  #source: Connection | undefined;
  /** What the thread was given the stream with. */
  #engagement: PlayoutEngagement | undefined;
  /** Of the packets that it told last, those that the watcher knows, and all. */
  #told = 0;
  #count = 0;
  /** Since the lending: it has carried something, and has made something up. */
  #hasCarried = false;
  #hasConcealed = false;
  /** It ended at something that is to be read first. */
  #isToRead = false;
  /** Lendings one after another that carried nothing. */
  #vain = 0;
  /** Packets that go by before the next. */
  #restPackets = 0;

  constructor(device: PcmPlayback, player: Player, watcher: CarriedWatcher) {
    this.#device = device;
    this.#path = device.makeFastPath(player.played.line, historyFrames);
    this.#player = player;
    this.#watcher = watcher;
  }

  /** The thread has the stream. */
  get isLent(): boolean {
    return this.#source !== undefined;
  }

  /** The player has had a packet from the source's own connection. */
  noteRead(): void {
    this.#isToRead = false;
    if (this.#restPackets > 0) this.#restPackets -= 1;
  }

  /** Does nothing where the stream is not steady: it is for the player then. */
  lend(source: Connection, nowUs: number): void {
    if (this.#source || this.#isToRead || this.#restPackets > 0) return;
    const engagement = this.#player.engagement(nowUs);
    if (!engagement) return;
    const fd = source.lend();
    if (fd === undefined) return;
    if (this.#path.engage(fd, engagement)) {
      this.#source = source;
      this.#engagement = engagement;
      this.#hasCarried = false;
      this.#hasConcealed = false;
      return;
    }
    closeSync(fd);
    source.takeBack(Buffer.alloc(0));
  }

  /**
   * The watcher is told what was carried so far, while the thread goes on with the stream.
   *
   * @returns false where it does not, or is not to: who has need of the stream as it is takes it.
   */
  catchUp(nowUs: number): boolean {
    if (this.#told < this.#count || !this.#goesOn(nowUs)) return false;
    const carried = this.#path.harvest(this.#player.steady.tellAtUs(nowUs));
    if (carried === undefined) return false;
    this.#tell(carried);
    return this.#goesOn(nowUs);
  }

  /** Nothing is missing, and nothing that was carried asks for more than the thread was given. */
  #goesOn(nowUs: number): boolean {
    const engagement = this.isLent ? this.#engagement : undefined;
    if (!engagement || this.#hasConcealed) return false;
    const { streaming, silenceFrames } = this.#device.playout(nowUs);
    return (
      streaming &&
      silenceFrames === engagement.silenceFrames &&
      this.#player.steady.goesOn(engagement)
    );
  }

  /**
   * What was read and not played comes to the source's handlers. Most of what was carried is told
   * before: meanwhile the thread plays what comes.
   */
  takeBack(nowUs: number): void {
    this.catchUp(nowUs);
    const source = this.#source;
    if (!source) return;
    this.#source = undefined;
    // In the middle of a catching up, where a packet has the card opened anew.
    this.#tellOn();
    this.#tell(this.#path.disengage());
    this.#player.played.end = this.#path.historyEnd;
    this.#isToRead = this.#path.handedOver;
    this.#vain = this.#isToRead && !this.#hasCarried ? this.#vain + 1 : 0;
    if (this.#vain === vainMax) {
      this.#vain = 0;
      this.#restPackets = restPackets;
    }
    source.takeBack(this.#path.takeRest());
  }

  #tell(count: number): void {
    this.#hasCarried ||= count > 0;
    this.#count = count;
    this.#told = 0;
    this.#tellOn();
  }

  #tellOn(): void {
    while (this.#told < this.#count) {
      this.#told += 1;
      this.#tellOne(this.#path.packet(this.#told - 1));
    }
  }

  #tellOne(carried: CarriedPacket): void {
    if (carried.concealed) {
      this.#hasConcealed = true;
      this.#watcher.onConcealed(carried);
      return;
    }
    const packet = this.#packet;
    packet.seq = carried.seq;
    packet.mediaTime = carried.mediaTime;
    packet.captureTimeUs = carried.captureTimeUs;
    packet.payloadEnd = carried.payloadBytes;
    this.#watcher.onCarried(packet, carried);
  }
}
