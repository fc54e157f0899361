import type { CarriedPacket, PlayoutEngagement } from '@kvm-audio/native-alsa/alsa';
import { type AudioPacket, mediaRate } from '@kvm-audio/protocol';
import { guardFrames } from '../../packages/output-pipeline/src/PlaybackShape.js';
import { historyFrames } from '../../packages/output-pipeline/src/Splicer.js';
import { type PlayerArrival, PlayerBench, targetMs } from './PlayerBench.js';
import { receivedPacket } from './receivedPacket.js';

const ms = mediaRate / 1000;

/** A player whose steady packets go past it, as a fast path of the card would do it. */
export class CarryingBench extends PlayerBench {
  carriedCount = 0;
  concealedCount = 0;
  /** Looks at a stream that went on meanwhile. */
  caughtUpCount = 0;
  readonly #carries: boolean;
  #lent: PlayoutEngagement | undefined;
  /** Without a packet: what was made up. */
  readonly #log: { packet?: AudioPacket; carried: CarriedPacket }[] = [];
  readonly #piece = new Int16Array(2 * 60 * ms);
  /** So much later than it is told does the player's process do something. */
  readonly #wakeMs: () => number;
  #wakesAtUs = Infinity;
  /** What it is to read then. */
  readonly #unread: AudioPacket[] = [];
  #looks: () => boolean = () => false;
  #lookCount = 0;

  constructor(carries: boolean, fixedMs: number | 'auto' = targetMs, wakeMs = () => 0) {
    super(undefined, fixedMs);
    this.#carries = carries;
    this.#wakeMs = wakeMs;
  }

  /** @param looks in each step, whether the stream is looked at in between. */
  override run(
    arrivals: readonly PlayerArrival[],
    untilMs: number,
    looks: () => boolean = () => false,
  ): void {
    this.#looks = looks;
    super.run(arrivals, untilMs);
    this.#takeBack();
  }

  protected override answerCard(): void {
    this.#lookAtLowWater();
    if (this.card.nowUs >= this.#wakesAtUs) this.#wakeUp();
    if (this.#looks()) this.#look();
  }

  /** The process is told; one thing or another, it looks at all. */
  #tell(): void {
    const wakeMs = this.#wakeMs();
    this.#wakesAtUs = Math.min(this.#wakesAtUs, this.card.nowUs + 1000 * wakeMs);
    if (wakeMs === 0) this.#wakeUp();
  }

  /** See OutputPipeline: what came is read, and low water is for who is not lent the stream. */
  #wakeUp(): void {
    this.#wakesAtUs = Infinity;
    const { nowUs } = this.card;
    if (this.#catchUp()) return;
    this.#hold(() => {
      for (const packet of this.#unread.splice(0))
        this.player.onPacket(receivedPacket(packet), nowUs);
    });
    if (!this.#lent) this.player.onLowWater(nowUs);
  }

  /** While it carries, the card's thread makes up what is missing, later than the player in a loss. */
  #lookAtLowWater(): void {
    const lent = this.#lent;
    const mayCome = lent && !this.jitter.pauses;
    if (mayCome && this.card.queuedFrames() > guardFrames + ms / 2) return;
    if (!this.lowWater) return;
    this.lowWater = false;
    const { silenceFrames } = this.card.playout();
    const knowsAll = lent?.silenceFrames === silenceFrames;
    if (!lent || !knowsAll || lent.concealFramesMax < lent.concealFrames) {
      this.#tell();
      return;
    }
    lent.concealFramesMax -= lent.concealFrames;
    this.#give(lent, this.decoder.conceal(lent.concealFrames, this.#piece));
    this.concealedCount += 1;
  }

  /** Now it takes the stream back, now it tells what was carried, where that will do. */
  #look(): void {
    this.#lookCount += 1;
    if (this.#lookCount % 2 === 0 || !this.#catchUp()) this.#hold(() => undefined);
  }

  /** See FastPlayout. */
  #catchUp(): boolean {
    const lent = this.#lent;
    const { steady } = this.player;
    if (!lent || this.#unread.length > 0 || this.#isMissing(lent)) return false;
    if (!steady.goesOn(lent)) return false;
    lent.tellAtUs = steady.tellAtUs(this.card.nowUs);
    this.#tellLog();
    if (!steady.goesOn(lent)) return false;
    this.caughtUpCount += 1;
    return true;
  }

  /** Something was made up, or silence was played. */
  #isMissing(lent: PlayoutEngagement): boolean {
    const { streaming, silenceFrames } = this.card.playout();
    const isMadeUp = this.#log.some(({ packet }) => !packet);
    return isMadeUp || !streaming || silenceFrames !== lent.silenceFrames;
  }

  #hold(work: () => void): void {
    this.#takeBack();
    work();
    this.#lend();
  }

  #lend(): void {
    if (this.#carries) this.#lent = this.player.engagement(this.card.nowUs);
  }

  #takeBack(): void {
    this.#catchUp();
    const lent = this.#lent;
    if (!lent) return;
    this.#lent = undefined;
    this.#tellLog();
    this.player.played.end = lent.historyEnd;
  }

  #tellLog(): void {
    for (const { packet, carried } of this.#log.splice(0)) {
      if (packet) this.player.noteCarried(receivedPacket(packet), carried);
      else this.player.noteConcealed(carried);
    }
  }

  protected override receive(packet: AudioPacket): void {
    const lent = this.#lent;
    if (!lent || this.#unread.length > 0 || !this.#isPlain(lent, packet)) {
      this.#unread.push(packet);
      this.#tell();
      return;
    }
    const isScarce = this.card.queuedFrames() < lent.scarceFrames;
    this.#give(lent, this.decoder.decode(packet.payload, this.#piece), packet);
    lent.nextSeq = (packet.seq + 1) >>> 0;
    this.carriedCount += 1;
    this.lowWater = false;
    if (isScarce || this.card.nowUs >= lent.tellAtUs) this.#tell();
  }

  /** See PlayoutFastPath.cpp. */
  #isPlain(lent: PlayoutEngagement, { seq, mediaTime, flags, payload }: AudioPacket): boolean {
    const playout = this.card.playout();
    return (
      playout.streaming &&
      playout.silenceFrames === lent.silenceFrames &&
      this.card.nowUs - playout.lastProgressUs < lent.standstillUs &&
      seq === lent.nextSeq &&
      mediaTime === lent.playTime &&
      flags === 0 &&
      payload.length > 2 &&
      playout.queuedFrames <= lent.marginFramesMax &&
      this.card.acquire() !== undefined
    );
  }

  /** What was decoded, or made up, goes to the card. */
  #give(lent: PlayoutEngagement, frames: number, packet?: AudioPacket): void {
    const { nowUs } = this.card;
    const { queuedFrames, ringFrames, beyondFrames } = this.card.playout();
    const slot = this.card.acquire()!;
    slot.offsetFrames = 0;
    slot.frames = frames;
    if (lent.resampler) {
      slot.frames = this.resampler.process(this.#piece, frames, slot.pcm).produced;
    } else {
      slot.pcm.set(this.#piece.subarray(0, 2 * frames));
    }
    const committedFrames = slot.frames;
    this.card.commit(slot);
    this.#remember(lent, frames);
    lent.playTime += frames;
    const { seq = 0, mediaTime = 0, captureTimeUs, payload } = packet ?? {};
    const times = { arrivalUs: nowUs, startUs: nowUs, endUs: nowUs, seenUs: nowUs };
    this.#log.push({
      ...(packet && { packet }),
      carried: {
        ...times,
        ...{ concealed: !packet, seq, mediaTime, captureTimeUs, frames },
        ...{ payloadBytes: payload?.length ?? 0, queuedFrames, ringFrames, beyondFrames },
        ...{ playedFrames: 0, committedFrames },
      },
    });
  }

  #remember(lent: PlayoutEngagement, frames: number): void {
    const { line } = this.player.played;
    if (lent.historyEnd + frames > line.length / 2 - 60 * ms) {
      line.copyWithin(0, 2 * (lent.historyEnd - historyFrames), 2 * lent.historyEnd);
      lent.historyEnd = historyFrames;
    }
    line.set(this.#piece.subarray(0, 2 * frames), 2 * lent.historyEnd);
    lent.historyEnd += frames;
  }

  /** All that can be seen of it, and all that what comes depends on. */
  get state(): unknown {
    const nowMs = this.card.nowUs / 1000;
    const { player, latency, counters, jitter } = this;
    const {
      decoder: _,
      resampler,
      historyEnd: __,
      ...steady
    } = player.engagement(this.card.nowUs) ?? {};
    return {
      counters,
      steady,
      resamples: resampler !== undefined,
      history: player.played.line.slice(
        2 * (player.played.end - historyFrames),
        2 * player.played.end,
      ),
      latency: latency.endToEnd(nowMs),
      stages: latency.stages(nowMs),
      leastMarginMs: latency.leastMarginMs(nowMs),
      marginMs: player.marginMs,
      driftPpm: player.margin.driftPpm,
      correctionPpm: player.margin.correctionPpm,
      correctedBy: player.correctedBy,
      plainNext: jitter.plainNext,
      queuedMs: player.queuedMs(this.card.nowUs),
      underruns: this.card.underruns,
    };
  }
}
