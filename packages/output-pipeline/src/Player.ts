import { framesAt, type JitterBuffer, type PacketSlot, type PlayoutStep } from '@kvm-audio/audio';
import type { CarriedPacket, PlayoutEngagement } from '@kvm-audio/native-alsa/alsa';
import { mediaRate, packetFlags, type ReceivedPacket } from '@kvm-audio/protocol';
import { CardView } from './CardView.js';
import { MarginKeeper } from './MarginKeeper.js';
import { backlogFrames } from './MarginWatch.js';
import type { PcmSink, PcmSlot } from './PcmSink.js';
import type { PlayerCounters, PlayerOptions, PlayerParts } from './PlayerParts.js';
import { PlayoutChange } from './PlayoutChange.js';
import { PlayoutDecoder } from './PlayoutDecoder.js';
import type { DecodedPacket, PlayoutLatency } from './PlayoutLatency.js';
import { PlayoutWriter } from './PlayoutWriter.js';
import { changeFramesMin, fadeFrames, type PlayedLine } from './Splicer.js';
import { SteadyStream } from './SteadyStream.js';

const framesPerMs = mediaRate / 1000;
/** The longest Opus frame: the ring's slots hold no more, a longer packet is refused. */
const packetFramesMax = 60 * framesPerMs;
/** Decoded audio never runs further ahead than this over the target; the rest waits as packets. */
const aheadFrames = 60 * framesPerMs;
/** What comes so late is of another timeline: the jitter buffer follows it, or leaves it out. */
const lateFramesMax = mediaRate;

/**
 * From packets to PCM, on the timeline of the jitter buffer. A packet that is next in order is
 * decoded when it arrives, so that one margin, the unplayed PCM, covers the jitter of the sender
 * and of this process alike; the card's low-water mark only decides that a missing packet is
 * missing. Everything runs on the event loop, in `onPacket` and `onLowWater`.
 */
export class Player {
  readonly #sink: PcmSink;
  readonly #decoder: PlayoutDecoder;
  readonly #jitter: JitterBuffer;
  readonly #latency: PlayoutLatency;
  readonly #options: PlayerOptions;
  readonly #counters: PlayerCounters;
  readonly #card: CardView;
  readonly #margin: MarginKeeper;
  readonly #writer: PlayoutWriter;
  readonly #change: PlayoutChange;
  /** For a fast path. */
  readonly steady: SteadyStream;
  /** What comes behind it is a copy, or a straggler: the margin is not for them. */
  #newestSeq: number | undefined;

  constructor(parts: PlayerParts, options: PlayerOptions) {
    const { sink, decoder, resampler, jitter, latency, counters } = parts;
    this.#sink = sink;
    this.#decoder = new PlayoutDecoder(decoder);
    this.#jitter = jitter;
    this.#latency = latency;
    this.#counters = counters;
    this.#change = new PlayoutChange(counters);
    this.#options = options;
    this.#card = new CardView(sink);
    this.#margin = new MarginKeeper(options.target);
    this.#writer = new PlayoutWriter(sink, resampler, options.channels, packetFramesMax, () => {
      counters.drops.playback_ring_full += 1;
    });
    this.steady = new SteadyStream({
      card: this.#card,
      jitter,
      decoder: this.#decoder,
      writer: this.#writer,
      margin: this.#margin,
      change: this.#change,
      goal: options.target,
    });
    if (options.joinsLate) this.#writer.breakOff();
  }

  /** How the clocks part, and what is done about it. */
  get margin(): Pick<MarginKeeper, 'driftPpm' | 'correctionPpm'> {
    return this.#margin;
  }

  /** What does that; the resampler also where the card's own control does a part of it. */
  get correctedBy(): 'pitch' | 'resampler' | null {
    if (this.#writer.isResampling) return 'resampler';
    return this.#margin.correctionPpm === 0 ? null : 'pitch';
  }

  onPacket(packet: ReceivedPacket, nowUs: number): void {
    const frames = framesAt(packet.bytes, packet.payloadStart, packet.payloadEnd);
    if (frames === undefined || frames > packetFramesMax) {
      this.#counters.drops.decode_error += 1;
      return;
    }
    this.#look(nowUs);
    if (this.#card.standsStill) {
      this.#counters.drops.card_standstill += 1;
      this.#counters.unheardFrames += frames;
      if (!this.#card.isHeldUp) this.#holdUp(nowUs);
      this.#decodeUnheard(packet, frames);
      return;
    }
    this.#jitter.followStandstill(packet);
    this.#watchMargin(packet, frames, nowUs);
    const dropped = this.#jitter.insert(packet, frames, nowUs / 1000);
    if (dropped !== undefined) this.#counters.drops[dropped] += 1;
    if (dropped === 'late_packet' && this.#jitter.passLate(packet)) {
      this.#decodeUnheard(packet, frames);
    }
    this.#pump(nowUs);
  }

  /** See SteadyStream.engagement. */
  engagement(nowUs: number): PlayoutEngagement | undefined {
    this.#look(nowUs);
    return this.steady.engagement(this.played.end);
  }

  /** Where a fast path keeps what it gives out. */
  get played(): PlayedLine {
    return this.#writer.played;
  }

  /** A fast path has made up what did not come in time, as `engagement` asked for it. */
  noteConcealed(carried: CarriedPacket): void {
    this.#card.lookAs(carried);
    this.#jitter.passConcealed(carried.frames);
    if (!this.#jitter.pauses) this.#counters.concealedFrames += carried.frames;
    this.#card.noteGiven(carried.committedFrames);
  }

  /** A fast path has played a packet, as `engagement` asked for it. */
  noteCarried(packet: ReceivedPacket, carried: CarriedPacket): void {
    this.#card.lookAs(carried);
    this.#watchMargin(packet, carried.frames, carried.arrivalUs);
    this.#jitter.pass(packet, carried.frames);
    this.#measure(carried, 0, carried.startUs, carried.endUs);
    this.#card.noteGiven(carried.committedFrames);
  }

  /** The margin that packets found lately, in milliseconds; undefined before the first. */
  get marginMs(): number | undefined {
    return this.#margin.meanFrames && this.#margin.meanFrames / framesPerMs;
  }

  /** Audio between the socket and the card's output, in milliseconds. */
  queuedMs(nowUs: number): number {
    return (this.#sink.playout(nowUs).queuedFrames + this.#jitter.queuedFrames) / framesPerMs;
  }

  /** Sound is later, or sooner, by what the goal changes. */
  setTarget(targetMs: number): void {
    const { target } = this.#options;
    this.#change.frames -= target.goalFrames;
    target.set(targetMs);
    this.#change.frames += target.goalFrames;
    this.#margin.restart();
  }

  /** What waits beyond the target is left out. @returns how much that is, in frames. */
  skipBacklog(nowUs: number): number {
    this.#look(nowUs);
    const { goalFrames } = this.#options.target;
    const excess = Math.round(this.#card.fillFrames + this.#jitter.queuedFrames - goalFrames);
    if (excess < changeFramesMin) return 0;
    this.#change.frames = -excess;
    this.#margin.step();
    return excess;
  }

  onLowWater(nowUs: number): void {
    this.#look(nowUs);
    this.#pump(nowUs);
  }

  /** The source has ended: what is queued is played, then the device rests. */
  end(nowUs: number): void {
    this.#look(nowUs);
    for (let more = true; more && this.#jitter.queuedFrames > 0; ) {
      more = this.#playStep(this.#jitter.next(true), nowUs);
    }
    this.#endSound(nowUs);
    this.rest();
    this.#decoder.reset();
    this.#options.target.reset();
  }

  /** Its last sample may be any: silence, or another sound, comes behind it without a click. */
  #endSound(nowUs: number): void {
    const fades = this.#card.isGiven && !this.#noteFaded();
    const slot = fades && this.#writer.acquire();
    if (slot) this.#commitSilence(slot, fadeFrames, nowUs);
    this.#writer.breakOff();
    this.#card.endOfStream();
  }

  /** @returns whether all that was given has died away, in silence of the card's thread. */
  #noteFaded(): boolean {
    const { hasFaded } = this.#card;
    if (hasFaded) this.#writer.noteFaded();
    return hasFaded;
  }

  #commitSilence(slot: PcmSlot, frames: number, nowUs: number): void {
    slot.offsetFrames = 0;
    slot.frames = frames;
    this.#writer.fadeOut(slot.pcm, frames);
    this.#commit(slot, nowUs);
  }

  /** Nothing comes any more: an empty ring is no underrun. The encoder may go on where it was. */
  rest(): void {
    this.#jitter.reset();
    if (this.#card.standsStill) this.#sink.stop();
    this.#latency.noteEnd(!this.#card.standsStill);
    this.#card.endOfStream();
    this.#writer.forget();
    this.#forgetMargin();
    this.#margin.begin();
    this.#card.noteRest();
  }

  /** Where the card stands, as it was seen last. */
  get card(): Pick<CardView, 'standsStill' | 'standstillMs'> {
    return this.#card;
  }

  /** Silence that the card's thread put in is time that has passed for the stream too. */
  #look(nowUs: number): void {
    const stoodStill = this.#card.standsStill;
    this.#jitter.skip(this.#card.look(nowUs));
    if (this.#card.standsStill === stoodStill) return;
    const waitingFrames = this.#card.fillFrames + this.#jitter.queuedFrames;
    if (!stoodStill) this.#counters.unheardFrames += waitingFrames;
    this.#startAnew();
  }

  /** Nobody hears what waits for a card that stands still, nor what waited when it moves again. */
  #startAnew(): void {
    this.#jitter.reset();
    this.#forgetMargin();
    this.#sink.stop();
    this.#latency.noteEnd(false);
    this.#writer.forget();
    this.#card.noteStop();
  }

  /** By silence, enough until the next packet comes, a card is seen to move again. */
  #holdUp(nowUs: number): void {
    const slot = this.#writer.acquire();
    if (slot) this.#commitSilence(slot, packetFramesMax, nowUs);
  }

  #pump(nowUs: number): void {
    const { goalFrames, lowWaterFrames } = this.#options.target;
    const card = this.#card;
    // What is to be cut out is cut from pieces that are decoded.
    const most = goalFrames + aheadFrames + Math.max(0, -this.#change.frames);
    while (card.fillFrames <= most && this.#writer.acquire()) {
      // Less than a frame over it is a rounding: the card tells of it once.
      const urgent = card.streaming && card.fillFrames < lowWaterFrames + 1;
      if (!this.#playStep(this.#jitter.next(urgent), nowUs)) return;
    }
  }

  #commit(slot: PcmSlot, nowUs: number): void {
    if (slot.frames === 0) return;
    this.#card.begin(nowUs);
    this.#card.noteGiven(this.#writer.commit(slot));
  }

  /** @returns whether there may be more to do. */
  #playStep(step: PlayoutStep, nowUs: number): boolean {
    if (step.action === 'rest') this.#endSound(nowUs);
    if (step.action === 'wait' || step.action === 'rest') return false;
    const breaks = this.#card.streaming && (step.restart || step.trimFrames > 0);
    if (step.action === 'decode' && step.restart) this.#restoreMargin(nowUs);
    const slot = this.#writer.acquire();
    if (!slot) {
      this.#counters.drops.playback_ring_full += 1;
      // The packet that redundancy is taken from stays in the jitter buffer.
      if (step.action === 'decode') step.packet?.release();
      return false;
    }
    slot.offsetFrames = step.trimFrames;
    slot.frames = step.frames - step.trimFrames;
    if (breaks) this.#writer.breakOff();
    if (step.action === 'decode') this.#decode(step, slot, nowUs);
    else this.#conceal(step, slot, nowUs);
    return true;
  }

  #decode(step: PlayoutStep, slot: PcmSlot, nowUs: number): void {
    const packet = step.packet as PacketSlot;
    const startUs = this.#options.clock();
    if (!this.#decoder.decode(packet.payload, packet.flags, step.frames, slot.pcm)) {
      this.#counters.drops.decode_error += 1;
      this.#counters.concealedFrames += step.frames;
    }
    this.#measure(packet, step.trimFrames, startUs, this.#options.clock());
    packet.release();
    this.#sink.setPauses(this.#jitter.pauses);
    if (this.#change.frames !== 0 && slot.frames > 0) this.#splice(slot, nowUs);
    else this.#commit(slot, nowUs);
  }

  /** With it the decoder is where the next packet needs it; without, that one sounds wrong. */
  #decodeUnheard(packet: ReceivedPacket, frames: number): void {
    const slot = this.#writer.acquire();
    if (!slot) return;
    const payload = packet.bytes.subarray(packet.payloadStart, packet.payloadEnd);
    this.#decoder.decode(payload, packet.flags, frames, slot.pcm);
    if (this.#card.streaming) this.#writer.breakOff();
  }

  #conceal(step: PlayoutStep, slot: PcmSlot, nowUs: number): void {
    if (!step.packet) this.#decoder.conceal(step.frames, slot.pcm);
    else this.#decoder.decodeFec(step.packet.payload, step.frames, slot.pcm);
    if (!step.comfort) this.#counters.concealedFrames += slot.frames;
    this.#commit(slot, nowUs);
  }

  /** Adds or cuts what is to be added or cut, as far as this piece of audio goes. */
  #splice(slot: PcmSlot, nowUs: number): void {
    this.#card.begin(nowUs);
    const { added, committed } = this.#writer.splice(slot, this.#change.frames);
    this.#card.noteGiven(committed);
    this.#change.noteAdded(added);
  }

  /** A new timeline starts with its margin; a stream that starts gets it from the card's thread. */
  #restoreMargin(nowUs: number): void {
    const { target, guardFrames } = this.#options;
    const { goalFrames, lowWaterFrames } = target;
    this.#forgetMargin();
    target.rebase();
    this.#sink.setMargins({ guardFrames, lowWaterFrames, startSilenceFrames: goalFrames });
    if (!this.#card.streaming) {
      this.#card.noteStart(goalFrames);
      return;
    }
    this.#noteFaded();
    const missing = Math.round(goalFrames - this.#card.fillFrames);
    const slot = missing > 0 ? this.#writer.acquire() : undefined;
    if (slot) this.#commitSilence(slot, Math.min(missing, packetFramesMax), nowUs);
  }

  #forgetMargin(): void {
    this.#margin.restart();
    this.#change.frames = 0;
    this.#newestSeq = undefined;
  }

  /**
   * The margin is the time until the packet's first sample is to be heard. One change at a time:
   * until it is carried out the margin is not what it will be.
   */
  #watchMargin(packet: ReceivedPacket, frames: number, nowUs: number): void {
    const toldLateUs = this.#options.clock() - nowUs;
    const lateFrames = this.#options.target.observe(packet, frames, nowUs);
    const { seq, mediaTime, flags } = packet;
    const { playTime } = this.#jitter;
    if (this.#newestSeq !== undefined && ((seq - this.#newestSeq) | 0) <= 0) return;
    this.#newestSeq = seq;
    if (playTime === undefined || lateFrames === undefined || flags & packetFlags.discontinuity)
      return;
    const early = mediaTime - playTime;
    const marginFrames = this.#card.fillFrames + early;
    if (marginFrames < -lateFramesMax || this.#skipsUnheard(marginFrames)) return;
    if (!this.#card.streaming || this.#change.frames !== 0) return;
    this.#latency.addMargin(marginFrames, nowUs / 1000);
    const { heldFrames } = this.#writer;
    const change = this.#margin.observe(marginFrames, lateFrames, heldFrames, nowUs, toldLateUs);
    this.#change.frames = change;
    if (change > 0) this.#keepMadeUp(Math.min(-early, change));
    this.#writer.steer(this.#margin.correctionPpm);
  }

  /** A backlog that came at once, and of which nothing was heard yet: the newest is played. */
  #skipsUnheard(marginFrames: number): boolean {
    if (marginFrames <= this.#options.target.goalFrames + backlogFrames) return false;
    if (!this.#card.isUnheard) return false;
    this.#counters.trimmedFrames += this.#card.givenFrames + this.#jitter.queuedFrames;
    this.#startAnew();
    return true;
  }

  /** What was made up in the packet's place is a part of what is to be added: it is not late. */
  #keepMadeUp(frames: number): void {
    if (frames <= 0) return;
    this.#change.notePutBack(frames, this.#jitter.madeUpFrames);
    this.#jitter.skip(-frames);
  }

  #measure(packet: DecodedPacket, trimFrames: number, startUs: number, endUs: number): void {
    const { at } = this.#latency;
    this.#card.tell(at);
    at.startUs = startUs;
    at.endUs = endUs;
    at.trimFrames = trimFrames;
    at.lookaheadFrames = this.#options.lookaheadSamples + this.#writer.heldFrames;
    this.#latency.add(packet);
  }
}
