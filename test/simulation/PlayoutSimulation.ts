import {
  FramePool,
  JitterBuffer,
  jitterBufferLimits,
  type OpusDecoder,
  PacketSlot,
  packetSlotBytes,
} from '@kvm-audio/audio';
import { Resampler } from '@kvm-audio/native-alsa/alsa';
import { mediaRate, noDrops } from '@kvm-audio/protocol';
import { guardFrames } from '../../packages/output-pipeline/src/PlaybackShape.js';
import { Player } from '../../packages/output-pipeline/src/Player.js';
import type { PlayerCounters } from '../../packages/output-pipeline/src/PlayerParts.js';
import { PlayoutLatency } from '../../packages/output-pipeline/src/PlayoutLatency.js';
import { PlayoutTarget } from '../../packages/output-pipeline/src/PlayoutTarget.js';
import { receivedPacket } from '../helpers/receivedPacket.js';
import { DelayStatistics } from './DelayStatistics.js';
import { type PlaybackListener, SimulatedPlayback } from './SimulatedPlayback.js';
import { ToneDecoder } from './ToneDecoder.js';
import type { Arrival } from './Trace.js';

const framesPerMs = mediaRate / 1000;
const packetMsMax = 60;
const lookaheadSamples = 312;
/** As the output pipeline does: without packets for so long the stream has ended. */
const dryUs = 1_000_000;

export type PlayoutSimulationOptions = {
  /** In order of time. */
  arrivals: Iterable<Arrival>;
  seconds: number;
  cardSkewPpm?: number;
  /** Fixes the margin; without it, it follows the jitter. */
  targetMs?: number;
  targetMsMax?: number;
  bufferMs?: number;
  /** How late the event loop answers, each time anew. */
  loopLateMs?: () => number;
  /** Anything but the tone: then nothing is known of delays. */
  decoder?: OpusDecoder;
  listener?: PlaybackListener;
  /** At the end of each second. The object is used again. */
  onSecond?: (second: PlayoutSecond) => void;
};

/** What was seen in one second. */
export type PlayoutSecond = {
  index: number;
  /** Unplayed just before a packet goes in: mean, least and most; NaN without packets. */
  fillMs: number;
  fillMsLeast: number;
  fillMsMost: number;
  /** The margin that is wanted at its end. */
  goalMs: number;
  /** From the capture of a packet's last sample until it was heard, mean; NaN without packets. */
  delayMs: number;
};

class Mean {
  #count = 0;
  #sum = 0;
  least = Number.POSITIVE_INFINITY;
  most = Number.NEGATIVE_INFINITY;

  add(value: number): void {
    this.#count += 1;
    this.#sum += value;
    this.least = Math.min(this.least, value);
    this.most = Math.max(this.most, value);
  }

  take(): number {
    const mean = this.#sum / this.#count;
    this.#count = 0;
    this.#sum = 0;
    return mean;
  }
}

/**
 * The way from the socket's packet to the card in virtual time: the program's own jitter buffer
 * and player, between arrivals that a trace tells and a simulated card. The same trace gives the
 * same figures.
 */
export class PlayoutSimulation {
  readonly card: SimulatedPlayback;
  readonly target: PlayoutTarget;
  readonly player: Player;
  readonly jitter: JitterBuffer;
  readonly delays = new DelayStatistics();
  readonly counters: PlayerCounters = {
    drops: noDrops(),
    concealedFrames: 0,
    trimmedFrames: 0,
    insertedFrames: 0,
    unheardFrames: 0,
  };
  readonly #options: PlayoutSimulationOptions;
  readonly #tone = new ToneDecoder();
  readonly #pool = new FramePool(
    'packets',
    { jitterBuffer: jitterBufferLimits.packetsMax, decoding: 1 },
    packetSlotBytes,
    (bytes) => new PacketSlot(bytes),
  );
  readonly #resampler = new Resampler({
    channels: 2,
    inputRate: mediaRate,
    outputRate: mediaRate,
  });
  #lowWater = false;
  #lastPacketUs = Number.NEGATIVE_INFINITY;
  #resting = true;
  /** The packet that was committed last: when it was captured, and when it will have been heard. */
  #capturedUs: number | undefined;
  #heardUs = 0;
  readonly #unheard: { heardUs: number; capturedUs: number }[] = [];
  #skips = 0;
  #changing = false;
  #changedFrames = 0;
  readonly #fill = new Mean();
  readonly #delay = new Mean();
  #second = 0;

  constructor(options: PlayoutSimulationOptions) {
    const { targetMs: fixedMs, targetMsMax: mostMs = 150, cardSkewPpm = 0 } = options;
    const bufferMs = options.bufferMs ?? (fixedMs ?? mostMs) + packetMsMax;
    this.#options = options;
    this.target = new PlayoutTarget({ fixedMs, mostMs });
    this.card = new SimulatedPlayback({
      slots: 16,
      slotFramesMax: 60 * framesPerMs,
      channels: 2,
      bufferFrames: bufferMs * framesPerMs,
      guardFrames,
      lowWaterFrames: this.target.lowWaterFrames,
      startSilenceFrames: this.target.goalFrames,
      stepFrames: framesPerMs,
    });
    this.card.skewPpm = cardSkewPpm;
    this.card.listener = options.listener;
    this.card.onLowWater = () => {
      this.#lowWater = true;
    };
    this.jitter = new JitterBuffer(this.#pool);
    this.player = new Player(
      {
        sink: this.card,
        decoder: options.decoder ?? this.#tone,
        resampler: this.#resampler,
        jitter: this.jitter,
        latency: new PlayoutLatency(0),
        counters: this.counters,
      },
      {
        channels: 2,
        target: this.target,
        guardFrames,
        lookaheadSamples,
        clock: () => this.card.nowUs,
      },
    );
    this.#watchCommits();
  }

  /** Made-up sound and gaps, of what was played. */
  get concealedPercent(): number {
    const frames = this.counters.concealedFrames + this.card.playout(this.card.nowUs).silenceFrames;
    return (100 * frames) / (this.#options.seconds * mediaRate);
  }

  /** How often sound was cut out or put in, a run of such wake-ups counted once. */
  get skips(): number {
    return this.#skips;
  }

  /** Runs to the end; asserts that no packet's memory was lost. */
  run(): this {
    const { seconds, loopLateMs = () => 0 } = this.#options;
    const arrivals = this.#options.arrivals[Symbol.iterator]();
    const endUs = seconds * 1e6;
    let next = arrivals.next();
    for (;;) {
      const arrivalUs = next.done ? Number.POSITIVE_INFINITY : next.value.atUs;
      const dueUs = Math.min(arrivalUs, this.card.nextLowWaterUs, (this.#second + 1) * 1e6);
      if (dueUs > endUs) break;
      this.#passTo(Math.max(this.card.nowUs, dueUs + loopLateMs() * 1000));
      while (!next.done && next.value.atUs <= this.card.nowUs) {
        this.#deliver(next.value);
        next = arrivals.next();
      }
      if (this.#lowWater) this.player.onLowWater(this.card.nowUs);
      this.#lowWater = false;
      this.#noteDelay();
      this.#noteSkips();
    }
    this.jitter.reset();
    this.#pool.assertAllHome();
    this.#resampler.close();
    return this;
  }

  #passTo(nowUs: number): void {
    this.card.advance(nowUs);
    this.#noteHeard();
    while ((this.#second + 1) * 1e6 <= nowUs) this.#endSecond();
  }

  #deliver({ packet, takesOver }: Arrival): void {
    const { nowUs } = this.card;
    if (takesOver) this.player.end(nowUs);
    this.#lastPacketUs = nowUs;
    this.#resting = false;
    this.#fill.add(this.player.queuedMs(nowUs));
    this.player.onPacket(receivedPacket(packet), nowUs);
    this.#noteDelay();
  }

  #endSecond(): void {
    const { least: fillMsLeast, most: fillMsMost } = this.#fill;
    this.#options.onSecond?.({
      index: this.#second,
      fillMs: this.#fill.take(),
      fillMsLeast,
      fillMsMost,
      goalMs: this.target.goalFrames / framesPerMs,
      delayMs: this.#delay.take(),
    });
    this.#fill.least = Number.POSITIVE_INFINITY;
    this.#fill.most = Number.NEGATIVE_INFINITY;
    this.#second += 1;
    if (this.#resting || this.card.nowUs - this.#lastPacketUs < dryUs) return;
    this.#resting = true;
    this.player.rest();
  }

  /** What is committed after a packet was decoded is that packet, in one piece or in two. */
  #watchCommits(): void {
    const commit = this.card.commit.bind(this.card);
    this.card.commit = (slot) => {
      commit(slot);
      const { capturedUs } = this.#tone;
      if (capturedUs !== this.#capturedUs) this.#noteDelay();
      this.#capturedUs = capturedUs;
      this.#heardUs = this.card.playedOutUs;
    };
    const stop = this.card.stop.bind(this.card);
    this.card.stop = () => {
      stop();
      this.#unheard.length = 0;
    };
  }

  /** What is thrown away before its time was heard by nobody. */
  #noteHeard(): void {
    for (
      let one = this.#unheard[0];
      one && one.heardUs <= this.card.nowUs;
      one = this.#unheard[0]
    ) {
      const delayMs = (one.heardUs - one.capturedUs) / 1000;
      this.delays.add(delayMs);
      this.#delay.add(delayMs);
      this.#unheard.shift();
    }
  }

  #noteSkips(): void {
    const { trimmedFrames, insertedFrames } = this.counters;
    const changed = trimmedFrames + insertedFrames;
    if (changed > this.#changedFrames && !this.#changing) this.#skips += 1;
    this.#changing = changed > this.#changedFrames;
    this.#changedFrames = changed;
  }

  #noteDelay(): void {
    if (this.#capturedUs === undefined) return;
    this.#unheard.push({ heardUs: this.#heardUs, capturedUs: this.#capturedUs });
    this.#capturedUs = undefined;
    this.#tone.capturedUs = undefined;
  }
}
