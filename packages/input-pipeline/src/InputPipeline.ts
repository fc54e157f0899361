import { BufferPool, type CodecBackend, chooseBackend, type PacketSlot } from '@kvm-audio/audio';
import {
  CardRate,
  ClientFigures,
  ClientListener,
  callMs,
  cardReport,
  DeviceKeeper,
  FrameCount,
  hangingCall,
  Linger,
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
  type CaptureSlot,
  type CarriedFrame,
  monotonicUs,
  type Negotiated,
  PcmCapture,
  soundCardFolders,
} from '@kvm-audio/native-alsa/alsa';
import { loadOpusAddon } from '@kvm-audio/native-alsa/opus';
import {
  type Connection,
  type ConnectionHandlers,
  type Hello,
  limits,
  mediaRate,
  noDrops,
  noPlayout,
  type PipelineReport,
  type PipelineTuning,
  ProtocolError,
  type QualityEntry,
  type QualityLevel,
  type StreamState,
  sendQueuePacketsMax,
  type TuningChange,
  welcome,
} from '@kvm-audio/protocol';
import { CaptureLatency } from './CaptureLatency.js';
import { type CaptureShape, captureOptions } from './captureOptions.js';
import { FastCapture } from './FastCapture.js';
import { FrameEncoder } from './FrameEncoder.js';
import { InputQuality } from './InputQuality.js';
import { PacketNumbers } from './PacketNumbers.js';
import { SinkSet } from './SinkSet.js';

const framesPerMs = mediaRate / 1000;

/**
 * Captures, encodes and sends to everybody who listens: card → capture ring → encoder → packet
 * slot → one send per client. Pushed by the card. Knows the whole direction; its parts know their
 * neighbours.
 *
 * While the stream is steady its frames pass by all of this, on the card's fast path. Whoever
 * touches the ring, the encoder or the clients otherwise does so in `#stream.hold`.
 */
export class InputPipeline implements Pipeline {
  readonly #context: PipelineContext;
  readonly #codec: CodecBackend;
  readonly #pool: BufferPool;
  readonly #listener: ClientListener;
  readonly #sinks = new SinkSet((waitedMs) =>
    this.#latency.addWaited(waitedMs, monotonicUs() / 1000),
  );
  readonly #figures = new ClientFigures();
  readonly #device: DeviceKeeper<PcmCapture, Negotiated>;
  readonly #linger: Linger;
  readonly #cardRate: CardRate;
  readonly #latency = new CaptureLatency(monotonicUs() / 1000);
  readonly #drops = noDrops();
  readonly #quality: InputQuality;
  #encoder: FrameEncoder;
  /** Clients that said hello and are not gone. */
  #listeners = 0;
  readonly #numbers = new PacketNumbers();
  #fast: FastCapture | undefined;
  readonly #stream = new StreamHold(
    () => this.#fast?.takeBack(),
    () => this.#lend(),
  );
  #discontinuity = false;
  readonly #frames = new FrameCount();
  #openedUs = 0;
  readonly #shape: CaptureShape;
  /** Of the devices that were closed. */
  #xrunsBefore = 0;
  #ringFullBefore = 0;

  constructor(context: PipelineContext) {
    const { config, log, fatal } = context;
    const { input, codec } = config;
    this.#context = context;
    const channels = input.channels === 1 ? 1 : 2;
    this.#shape = { periodMs: input.periodMs, bufferMs: input.bufferMs };
    this.#cardRate = new CardRate(log, () => this.#device.reopen());
    this.#device = new DeviceKeeper(
      (events) => {
        if (this.#device.lostReason !== null) this.#cardRate.forget();
        const { frameMs } = this.#quality.effective;
        return new PcmCapture(
          captureOptions(config, { ...this.#shape, cardRate: this.#cardRate.measured, frameMs }),
          events,
        );
      },
      {
        onOpened: (device, negotiated) => this.#onOpened(device, negotiated),
        onWake: (device) => this.#stream.hold(() => this.#onFrames(device)),
        onClosing: (device) => this.#onClosing(device),
      },
      {
        key: 'input.device',
        device: input.device,
        watchFolders: soundCardFolders(process.env),
        direction: 'capture',
        log,
        fatal,
      },
    );
    this.#codec = chooseBackend(codec.backend, loadOpusAddon, (reason) =>
      log.warn({ reason }, 'the native codec does not load, wasm is used'),
    );
    this.#quality = new InputQuality(input, channels);
    this.#encoder = new FrameEncoder(this.#codec, channels, this.#quality.effective, codec);
    this.#quality.lookaheadSamples = this.#encoder.lookaheadSamples;
    this.#pool = new BufferPool(
      {
        encoding: 1,
        fastPath: 1,
        queued: sendQueuePacketsMax + 1, // all clients' queues share the newest 200 ms
      },
      limits.clientsMax,
    );
    this.#listener = new ClientListener({
      fd: listenFd,
      roles: ['sink'],
      refuse: (peer) => refuseClient(peer, config),
      memory: this.#pool,
      log,
      onHello: (hello, connection) => this.#onHello(hello, connection),
    });
    this.#linger = new Linger(input.lingerMs, () => this.#rest());
  }

  async start(): Promise<void> {
    // Also without a listener: a device that is unknown, or absent, is told at the start.
    this.#device.start();
    this.#listener.listen();
  }

  async stop(): Promise<void> {
    this.#linger.hold();
    await this.#listener.close();
    await this.#device.stop();
    this.#encoder.close();
    this.#pool.assertAllHome();
  }

  /** The card has filled slots: the way of a frame, top to bottom. */
  #onFrames(device: PcmCapture): void {
    for (let slot = device.peek(); slot; slot = device.peek()) {
      this.#onFrame(slot);
      this.#cardRate.onFrame(slot);
      device.release();
    }
  }

  /** A steady stream needs nothing of what is here, until something changes. */
  #lend(): void {
    const encoder = this.#encoder.role;
    if (!encoder || this.#discontinuity) return;
    this.#fast?.lend(encoder, this.#quality.effective.frameMs, () => this.#pool.packets.acquire());
  }

  #onCarried(frame: CarriedFrame, frames: number): void {
    const { timeUs, startUs, encodedUs, sentUs, payloadBytes, positionFrames } = frame;
    this.#frames.note(startUs);
    this.#frames.addPayload(payloadBytes);
    this.#latency.add(timeUs, frames, startUs, encodedUs, sentUs);
    this.#latency.addCard(frame.lateUs, encodedUs / 1000);
    this.#cardRate.onFrame({ timeUs, positionFrames, discontinuity: false });
  }

  #onFrame(frame: CaptureSlot): void {
    const startUs = monotonicUs();
    this.#frames.note(startUs);
    this.#discontinuity ||= frame.discontinuity;
    const mediaTime = this.#numbers.pass(frame.frames);
    const packet = this.#pool.packets.acquire();
    if (!packet) {
      this.#drops.pool_empty += 1;
      return;
    }
    if (!this.#encodeInto(packet, frame)) {
      packet.release();
      return;
    }
    const encodedUs = monotonicUs();
    const { timeUs, frames } = frame;
    this.#numbers.stamp(packet, mediaTime, { timeUs, frames, discontinuity: this.#discontinuity });
    packet.seal();
    this.#discontinuity = false;
    this.#frames.addPayload(packet.payloadBytes);
    this.#sinks.send(packet);
    packet.release();
    this.#latency.add(frame.timeUs, frame.frames, startUs, encodedUs, monotonicUs());
    this.#latency.addCard(frame.lateUs, encodedUs / 1000);
  }

  /** @returns false, counted, where the codec refused the frame. */
  #encodeInto(packet: PacketSlot, frame: CaptureSlot): boolean {
    try {
      if (this.#discontinuity) this.#encoder.reset();
      packet.setPayload(this.#encoder.encode(frame.pcm, frame.frames, packet.room));
      return true;
    } catch (error) {
      if (this.#drops.encode_error === 0) this.#context.log.error({ error }, 'a frame was refused');
      this.#drops.encode_error += 1;
      return false;
    }
  }

  #onHello(hello: Hello, connection: Connection): { reply: unknown; handlers: ConnectionHandlers } {
    const { log } = this.#context;
    this.#listeners += 1;
    this.#linger.hold();
    this.#device.start();
    const told = this.#quality.effective;
    // The reply to hello is written before the first packet: both are queued in this order.
    setImmediate(() => {
      if (connection.closed) return;
      this.#stream.hold(() => {
        this.#sinks.add(connection, hello.client);
        if (this.#quality.effective === told) return;
        connection.notify('format.changed', this.#quality.format);
      });
    });
    log.info({ client: hello.client }, 'listener connected');
    return {
      reply: welcome({ name: 'kvm-audio input', version }, this.#quality.format),
      handlers: {
        onRequest: (method) => {
          throw new ProtocolError('UNKNOWN_METHOD', `there is no method ${method}`);
        },
        onNotification: (method, params) =>
          this.#figures.onNotification(connection, hello.client, method, params),
        onPacket: () =>
          connection.fail(new ProtocolError('ROLE_REFUSED', 'a sink does not send audio')),
        onClose: (error) => this.#onSinkGone(connection, hello.client, error),
      },
    };
  }

  #onSinkGone(connection: Connection, client: string, error: ProtocolError | undefined): void {
    this.#stream.hold(() => this.#sinks.remove(connection));
    this.#figures.forget(connection);
    const why = error && { code: error.code, reason: error.message };
    this.#context.log.info({ client, ...why }, 'listener gone');
    this.#listeners -= 1;
    this.#letGo();
  }

  get #wanted(): boolean {
    return this.#listeners > 0 || this.#context.config.input.keepOpen;
  }

  #letGo(): void {
    if (!this.#wanted) this.#linger.letGo();
  }

  /** A device that is absent is tried on, so that its state is true; it rests when it has come. */
  #rest(): void {
    if (this.#device.device) void this.#device.stop();
  }

  #onOpened(device: PcmCapture, negotiated: Negotiated): void {
    this.#openedUs = monotonicUs();
    this.#letGo();
    this.#discontinuity = true;
    this.#cardRate.onOpened(negotiated.rate);
    device.setSlotFrames(this.#quality.effective.frameMs * framesPerMs);
    this.#fast = new FastCapture(device, this.#sinks, this.#numbers, (frame, frames) =>
      this.#onCarried(frame, frames),
    );
  }

  #onClosing(device: PcmCapture): void {
    this.#fast?.takeBack();
    this.#fast = undefined;
    const { ringFullSlots, xruns } = device.counters();
    this.#ringFullBefore += ringFullSlots;
    this.#xrunsBefore += xruns;
  }

  get mayPause(): boolean {
    return this.#fast?.isLent ?? true;
  }

  listQuality(): QualityEntry[] {
    return this.#quality.list();
  }

  quality(): QualityEntry {
    return this.#quality.entry;
  }

  setQuality(level: QualityLevel): QualityEntry {
    return this.#stream.hold(() => {
      const effective = this.#quality.setLevel(level);
      this.#encoder.setFormat(effective);
      this.#device.device?.setSlotFrames(effective.frameMs * framesPerMs);
      // Before the first packet of it.
      const { entry } = this.#quality;
      this.#sinks.notify('format.changed', entry.format);
      return entry;
    });
  }

  setBuffer(frames: number): void {
    this.#stream.hold(() => this.#sinks.resize(frames));
  }

  /** A change of the device's shape opens it anew: the stream has a gap, and says so. */
  tune(change: TuningChange): PipelineTuning {
    return this.#stream.hold(() => this.#tune(change));
  }

  #tune({ complexity, periodMs, bufferMs }: TuningChange): PipelineTuning {
    if (complexity !== undefined) this.#encoder.limitComplexity(complexity);
    if (periodMs !== undefined || bufferMs !== undefined) {
      const shape = this.#shape;
      shape.periodMs = periodMs ?? shape.periodMs;
      shape.bufferMs = Math.max(bufferMs ?? shape.bufferMs, 2 * shape.periodMs);
      this.#device.reopen();
    }
    return this.#tuning(monotonicUs());
  }

  #tuning(nowUs: number): PipelineTuning {
    const { bufferMs, periodMs } = this.#shape;
    const beyondMs = this.#latency.cardMs(nowUs / 1000);
    const bufferMsMin = 2 * periodMs;
    const { complexity } = this.#encoder;
    return { targetMs: null, spareMs: null, beyondMs, bufferMs, bufferMsMin, periodMs, complexity };
  }

  #state(lastProgressUs: number | undefined): StreamState {
    if (this.#device.lostReason !== null) return 'no-device';
    if (!this.#wanted) return 'idle';
    if (lastProgressUs === undefined) return 'starting';
    const standstillUs = monotonicUs() - Math.max(lastProgressUs, this.#openedUs);
    return standstillUs > standstillMsMax * 1000 ? 'no-signal' : 'running';
  }

  report(tends: boolean): PipelineReport {
    return this.#stream.hold(() => this.#report(tends));
  }

  #report(tends: boolean): PipelineReport {
    if (tends) this.#sinks.look(this.#context.log);
    const device = this.#device.device?.counters();
    const { sent, dropped } = this.#sinks.totals();
    this.#drops.capture_ring_full = this.#ringFullBefore + (device?.ringFullSlots ?? 0);
    this.#drops.send_queue_full = dropped;
    const nowUs = monotonicUs();
    const hangs = hangingCall(device, this.#device.openingMs, nowUs);
    const state = hangs === null ? this.#state(device?.lastProgressUs) : 'degraded';
    return {
      state,
      reason: hangs ?? this.#device.lostReason ?? standstillReason(state),
      device: this.#context.config.input.device,
      card: cardReport(this.#device.negotiated, this.#cardRate.measured),
      format: this.#quality.format,
      clients: this.#sinks.size,
      ...this.#listener.counts(),
      ...this.#frames.report(nowUs, Date.now()),
      packetsSent: sent,
      drops: this.#drops,
      queueMs: this.#sinks.queueMs,
      capacity: this.#sinks.capacity(this.#quality.effective.frameMs),
      ...noPlayout,
      callMs: Math.round(callMs(device, nowUs)),
      xruns: this.#xrunsBefore + (device?.xruns ?? 0),
      latency: this.#latency.endToEnd(nowUs / 1000),
      stages: this.#latency.stages(nowUs / 1000),
      tuning: this.#tuning(nowUs),
      pools: this.#pool.stats(),
      clientFigures: this.#figures.list(),
    };
  }
}
