import {
  BufferPool,
  type CodecBackend,
  chooseBackend,
  JitterBuffer,
  jitterBufferLimits,
  type OpusDecoder,
} from '@kvm-audio/audio';
import {
  CardRate,
  ClientFigures,
  ClientListener,
  callMs,
  cardReport,
  DeviceKeeper,
  hangingCall,
  listenFd,
  type Pipeline,
  type PipelineContext,
  refuseClient,
  StreamHold,
  standstillMsMax,
  standstillReason,
  version,
} from '@kvm-audio/daemon';
import {
  monotonicUs,
  type Negotiated,
  PcmPlayback,
  Resampler,
  soundCardFolders,
} from '@kvm-audio/native-alsa/alsa';
import { loadOpusAddon } from '@kvm-audio/native-alsa/opus';
import {
  type Connection,
  type ConnectionHandlers,
  type Hello,
  mediaRate,
  type PipelineReport,
  type PipelineTuning,
  ProtocolError,
  type QualityEntry,
  type QualityLevel,
  type ReceivedPacket,
  type StreamState,
  type TuningChange,
  welcome,
} from '@kvm-audio/protocol';
import { Arrivals } from './Arrivals.js';
import { CardFaults } from './CardFaults.js';
import { type CarriedWatcher, FastPlayout } from './FastPlayout.js';
import { JitterCapacity } from './JitterCapacity.js';
import { OutputQuality } from './OutputQuality.js';
import { guardFrames, PlaybackShape, targetTuning } from './PlaybackShape.js';
import { Player } from './Player.js';
import { noPlayerCounts } from './PlayerParts.js';
import { PlayoutLatency } from './PlayoutLatency.js';
import { PlayoutTarget } from './PlayoutTarget.js';
import { UnheardPlayer } from './UnheardPlayer.js';

const framesPerMs = mediaRate / 1000;

/**
 * Receives Opus from one source at a time and plays it: socket → jitter buffer → decoder → PCM
 * ring → card. Knows the whole direction; its parts know their neighbours.
 *
 * While the stream is steady its packets pass by all of this, on the card's fast path. Whoever
 * touches the player, the device or the source otherwise does so in `#stream.hold`.
 */
export class OutputPipeline implements Pipeline {
  readonly #context: PipelineContext;
  readonly #codec: CodecBackend;
  readonly #pool: BufferPool;
  readonly #listener: ClientListener;
  readonly #device: DeviceKeeper<PcmPlayback, Negotiated>;
  readonly #decoder: OpusDecoder;
  readonly #unheard: UnheardPlayer;
  readonly #jitter: JitterBuffer;
  readonly #target: PlayoutTarget;
  readonly #resampler: Resampler;
  readonly #latency = new PlayoutLatency(monotonicUs() / 1000);
  readonly #counters = noPlayerCounts();
  readonly #quality: OutputQuality;
  #player: Player | undefined;
  #fast: FastPlayout | undefined;
  readonly #stream = new StreamHold(
    () => this.#fast?.takeBack(monotonicUs()),
    () => this.#source && this.#fast?.lend(this.#source, monotonicUs()),
    () => this.#fast?.catchUp(monotonicUs()) ?? false,
  );
  readonly #cardRate: CardRate;
  readonly #figures = new ClientFigures();
  #source: Connection | undefined;
  readonly #arrivals = new Arrivals();
  readonly #shape: PlaybackShape;
  readonly #capacity: JitterCapacity;
  readonly #faults: CardFaults;

  constructor(context: PipelineContext) {
    const { config, log, fatal } = context;
    const { output, codec } = config;
    this.#context = context;
    const { targetMs: fixedMs, targetMsMax: mostMs } = output;
    this.#target = new PlayoutTarget({ fixedMs, mostMs });
    this.#shape = new PlaybackShape(config, this.#target);
    this.#faults = new CardFaults(log);
    this.#cardRate = new CardRate(log, () => this.#device.reopen());
    this.#pool = new BufferPool({ jitterBuffer: jitterBufferLimits.packetsMax, decoding: 1 }, 16);
    this.#listener = new ClientListener({
      fd: listenFd,
      roles: ['source'],
      refuse: (peer) => refuseClient(peer, config),
      memory: this.#pool,
      log,
      onHello: (hello, connection) => this.#onHello(hello, connection),
    });
    this.#jitter = new JitterBuffer(this.#pool.packets);
    this.#capacity = new JitterCapacity(this.#jitter, this.#target);
    this.#codec = chooseBackend(codec.backend, loadOpusAddon, (reason) =>
      log.warn({ reason }, 'the native codec does not load, wasm is used'),
    );
    this.#decoder = this.#codec.createDecoder(output.channels === 1 ? 1 : 2);
    this.#unheard = new UnheardPlayer(this.#decoder, this.#target, this.#counters);
    this.#quality = new OutputQuality(output, this.#decoder.channels);
    this.#resampler = new Resampler({
      channels: output.channels,
      inputRate: mediaRate,
      outputRate: mediaRate,
    });
    this.#device = new DeviceKeeper(
      (events) => {
        if (this.#device.lostReason !== null) this.#cardRate.forget();
        return new PcmPlayback(this.#shape.open(this.#cardRate.measured), events);
      },
      {
        onOpened: (device, negotiated) => this.#onOpened(device, negotiated),
        onWake: () => {
          this.#stream.catchUp();
          if (this.#fast?.isLent) return; // the card's thread sees to it
          this.#stream.hold(() => this.#player?.onLowWater(monotonicUs()));
        },
        onClosing: (device) => this.#onClosing(device),
      },
      {
        key: 'output.device',
        device: output.device,
        watchFolders: soundCardFolders(process.env),
        direction: 'playback',
        log,
        fatal,
      },
    );
  }

  async start(): Promise<void> {
    this.#device.start();
    this.#listener.listen();
  }

  async stop(): Promise<void> {
    await this.#listener.close();
    await this.#device.stop();
    this.#jitter.reset();
    this.#decoder.close();
    this.#resampler.close();
    this.#pool.assertAllHome();
  }

  #onHello(hello: Hello, connection: Connection): { reply: unknown; handlers: ConnectionHandlers } {
    if (this.#source && !hello.takeover) {
      throw new ProtocolError('AUDIO_ALREADY_RUNNING', 'another source is connected');
    }
    this.#stream.hold(() => {
      if (this.#source) this.#replaceSource(this.#source, hello.client);
      this.#source = connection;
      this.#arrivals.begin();
    });
    this.#context.log.info({ client: hello.client, takeover: hello.takeover }, 'source connected');
    return {
      reply: welcome({ name: 'kvm-audio output', version }, this.#quality.format),
      handlers: {
        onRequest: (method) => {
          throw new ProtocolError('UNKNOWN_METHOD', `there is no method ${method}`);
        },
        onNotification: (method, params) =>
          this.#figures.onNotification(connection, hello.client, method, params),
        onPacket: (packet) => {
          if (this.#source === connection) this.#onPacket(packet);
        },
        onClose: (error) => this.#onSourceGone(connection, hello.client, error),
      },
    };
  }

  /** What the old source has sent is played out; the new one begins a timeline of its own. */
  #replaceSource(source: Connection, by: string): void {
    source.notify('source.replaced', { by });
    source.end();
    (this.#player ?? this.#unheard).end(monotonicUs());
  }

  #onPacket(packet: ReceivedPacket): void {
    const nowUs = monotonicUs();
    this.#arrivals.note(packet, nowUs);
    (this.#player ?? this.#unheard).onPacket(packet, nowUs);
    const seen = this.#device.device?.lastPlayout;
    if (seen) this.#watchRate(seen, seen.streaming);
    this.#fast?.noteRead();
    this.#stream.release();
  }

  /** A packet can have the card opened anew: what was carried behind it has no player. */
  readonly #carried: CarriedWatcher = {
    onCarried: (packet, carried) => {
      this.#arrivals.note(packet, carried.arrivalUs);
      carried.captureTimeUs = packet.captureTimeUs;
      this.#player?.noteCarried(packet, carried);
      this.#watchRate(carried, true);
    },
    onConcealed: (carried) => this.#player?.noteConcealed(carried),
  };

  #watchRate(seen: { seenUs: number; playedFrames: number }, streaming: boolean): void {
    const { seenUs: timeUs, playedFrames: positionFrames } = seen;
    this.#cardRate.onFrame({ timeUs, positionFrames, discontinuity: !streaming });
  }

  #tellSource(nowUs: number): void {
    const { late_packet: late } = this.#counters.drops;
    const feedback = this.#arrivals.feedback(late, this.#player?.queuedMs(nowUs) ?? 0);
    this.#source?.notify('source.feedback', feedback);
  }

  #onSourceGone(connection: Connection, client: string, error?: ProtocolError): void {
    this.#figures.forget(connection);
    if (this.#source !== connection) return;
    this.#stream.hold(() => {
      this.#source = undefined;
      (this.#player ?? this.#unheard).end(monotonicUs());
    });
    const why = error && { code: error.code, reason: error.message };
    this.#context.log.info({ client, ...why }, 'source gone');
  }

  #onOpened(device: PcmPlayback, negotiated: Negotiated): void {
    const { output } = this.#context.config;
    this.#target.setHeld(negotiated.heldFrames);
    this.#cardRate.onOpened(negotiated.rate);
    this.#player = new Player(
      {
        sink: device,
        decoder: this.#decoder,
        resampler: this.#resampler,
        jitter: this.#jitter,
        latency: this.#latency,
        counters: this.#counters,
      },
      {
        channels: output.channels,
        target: this.#target,
        guardFrames,
        lookaheadSamples: this.#quality.lookaheadSamples,
        joinsLate: this.#unheard.isUnderWay,
        clock: monotonicUs,
      },
    );
    this.#fast = new FastPlayout(device, this.#player, this.#carried);
  }

  /** A change of the device's shape opens it anew; the target's is heard as a splice. */
  tune(change: TuningChange): PipelineTuning {
    return this.#stream.hold(() => this.#tune(change));
  }

  #tune(change: TuningChange): PipelineTuning {
    const { targetMs } = change;
    if (targetMs !== undefined) {
      this.#latency.forgetMargin();
      if (this.#player) this.#player.setTarget(targetMs);
      else this.#target.set(targetMs);
    }
    if (this.#shape.change(change)) this.#device.reopen();
    return this.#tuning(monotonicUs());
  }

  skipBacklog(): number {
    return this.#stream.hold(() => this.#player?.skipBacklog(monotonicUs()) ?? 0) / framesPerMs;
  }

  #tuning(nowUs: number): PipelineTuning {
    const leastMarginMs = this.#latency.leastMarginMs(nowUs / 1000);
    const { targetMs, spareMs } = targetTuning(this.#target, leastMarginMs);
    const { bufferMs, bufferMsMin, periodMs } = this.#shape.tuning();
    const beyondMs = (this.#device.device?.playout(nowUs).beyondFrames ?? 0) / framesPerMs;
    return { targetMs, spareMs, beyondMs, bufferMs, bufferMsMin, periodMs, complexity: null };
  }

  #onClosing(device: PcmPlayback): void {
    const fast = this.#fast;
    this.#fast = undefined; // what comes now is not to be lent again
    fast?.takeBack(monotonicUs());
    this.#faults.end(device.counters());
    const player = this.#player;
    // What waits for a card that stands still is silence: the sound is counted already.
    if (player && !player.card.standsStill) {
      this.#counters.unheardFrames += player.queuedMs(monotonicUs()) * framesPerMs;
    }
    this.#player = undefined;
    this.#latency.noteEnd(false);
    this.#jitter.reset();
  }

  #state(nowUs: number): StreamState {
    if (!this.#device.device) return this.#device.lostReason === null ? 'starting' : 'no-device';
    if (!this.#arrivals.isStreaming(nowUs) || !this.#source) return 'idle';
    return (this.#player?.card.standstillMs(nowUs) ?? 0) > standstillMsMax
      ? 'host-idle'
      : 'running';
  }

  get mayPause(): boolean {
    return this.#source === undefined || this.#fast?.isLent !== false;
  }

  listQuality(): QualityEntry[] {
    return this.#quality.list();
  }

  quality(): QualityEntry {
    return this.#quality.entry;
  }

  setQuality(level: QualityLevel): QualityEntry {
    this.#quality.level = level;
    const { entry } = this.#quality;
    this.#source?.notify('format.changed', entry.format);
    return entry;
  }

  setBuffer(frames: number): void {
    const { drops } = this.#counters;
    this.#stream.hold(() => {
      drops.jitter_overflow += this.#capacity.set(frames, this.#quality.format.frameMs);
    });
  }

  /** What the card itself holds is not ours. */
  #queueMs(nowUs: number): number {
    const ringFrames = this.#device.device?.playout(nowUs).ringFrames ?? 0;
    return (ringFrames + this.#jitter.queuedFrames) / framesPerMs;
  }

  #tend(nowUs: number): void {
    const streaming = this.#arrivals.isStreaming(nowUs);
    if (!streaming && this.#device.device?.counters().streaming) {
      this.#stream.hold(() => this.#player?.rest());
    }
    if (streaming && this.#source) this.#tellSource(nowUs);
  }

  /** A steady stream goes on meanwhile. */
  report(tends: boolean): PipelineReport {
    const nowUs = monotonicUs();
    this.#stream.catchUp();
    if (tends) this.#tend(nowUs);
    const device = this.#device.device?.counters();
    const hangs = hangingCall(device, this.#device.openingMs, nowUs);
    const state = hangs === null ? this.#state(nowUs) : 'degraded';
    return {
      state,
      reason: hangs ?? this.#device.lostReason ?? standstillReason(state),
      device: this.#context.config.output.device,
      card: cardReport(this.#device.negotiated, this.#cardRate.measured),
      format: this.#quality.format,
      clients: this.#source ? 1 : 0,
      ...this.#listener.counts(),
      ...this.#arrivals.count.report(nowUs, Date.now()),
      packetsSent: 0,
      drops: this.#counters.drops,
      queueMs: this.#queueMs(nowUs),
      capacity: this.#capacity.report(this.#quality.format.frameMs),
      concealedMs: Math.round(this.#counters.concealedFrames / framesPerMs),
      trimmedMs: Math.round(this.#counters.trimmedFrames / framesPerMs),
      insertedMs: Math.round(this.#counters.insertedFrames / framesPerMs),
      unheardMs: Math.round(this.#counters.unheardFrames / framesPerMs),
      targetMs: this.#target.goalFrames / framesPerMs,
      marginMs: this.#player?.marginMs ?? null,
      driftPpm: this.#player?.margin.driftPpm ?? null,
      correctionPpm: this.#player?.margin.correctionPpm ?? 0,
      correctedBy: this.#player?.correctedBy ?? null,
      ...this.#faults.look(device),
      callMs: Math.round(callMs(device, nowUs)),
      latency: this.#latency.endToEnd(nowUs / 1000),
      stages: this.#latency.stages(nowUs / 1000),
      tuning: this.#tuning(nowUs),
      pools: this.#pool.stats(),
      clientFigures: this.#figures.list(),
    };
  }
}
