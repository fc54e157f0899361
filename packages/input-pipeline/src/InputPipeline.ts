import {
  BufferPool,
  type CodecBackend,
  chooseBackend,
  type EffectiveFormat,
  effectiveFormat,
  isDtx,
  type PacketSlot,
  toStreamFormat,
} from '@kvm-audio/audio';
import {
  ClientFigures,
  ClientListener,
  callMs,
  cardReport,
  DeviceKeeper,
  hangingCall,
  Linger,
  listenFd,
  type Pipeline,
  type PipelineContext,
  RateWatch,
  refuseClient,
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
import { createNativeBackend } from '@kvm-audio/native-alsa/opus';
import {
  type Connection,
  type ConnectionHandlers,
  type Hello,
  limits,
  mediaRate,
  noDrops,
  type PipelineReport,
  type PipelineTuning,
  ProtocolError,
  packetFlags,
  type QualityEntry,
  type QualityLevel,
  qualityLevels,
  type StreamFormat,
  type StreamState,
  sendQueuePacketsMax,
  type TuningChange,
  welcome,
} from '@kvm-audio/protocol';
import { CaptureLatency } from './CaptureLatency.js';
import { type CaptureShape, captureOptions } from './captureOptions.js';
import { FrameEncoder } from './FrameEncoder.js';
import { SinkSet } from './SinkSet.js';

const framesPerMs = mediaRate / 1000;
/** What the fast path has carried is looked at so often, if nothing else is the reason before. */
const lookMs = 1_250;

/**
 * Captures, encodes and sends to everybody who listens: card → capture ring → encoder → packet
 * slot → one send per client. Pushed by the card. Knows the whole direction; its parts know their
 * neighbours.
 *
 * In a steady stream the capture's fast path does that on a thread of its own, with the same ring,
 * encoder and sockets. Whatever touches one of these here does so between `#takeBack` and `#lend`.
 */
export class InputPipeline implements Pipeline {
  readonly #context: PipelineContext;
  readonly #channels: 1 | 2;
  readonly #codec: CodecBackend;
  readonly #pool: BufferPool;
  readonly #listener: ClientListener;
  readonly #sinks = new SinkSet((waitedMs) =>
    this.#latency.addWaited(waitedMs, monotonicUs() / 1000),
  );
  readonly #figures = new ClientFigures();
  readonly #device: DeviceKeeper<PcmCapture, Negotiated>;
  readonly #linger: Linger;
  readonly #rateWatch = new RateWatch();
  readonly #latency = new CaptureLatency(monotonicUs() / 1000);
  readonly #drops = noDrops();
  #format: EffectiveFormat;
  #encoder: FrameEncoder;
  /** Clients that said hello and are not gone. */
  #listeners = 0;
  #seq = 0;
  #mediaTime = 0;
  #discontinuity = false;
  #framesReceived = 0;
  #bytes = 0;
  #openedUs = 0;
  /** The fast path's, while it is engaged. */
  #lentPacket: PacketSlot | undefined;
  readonly #shape: CaptureShape;
  /** Of the devices that were closed. */
  #xrunsBefore = 0;

  constructor(context: PipelineContext) {
    const { config, log, fatal } = context;
    const { input, codec } = config;
    this.#context = context;
    this.#channels = input.channels === 1 ? 1 : 2;
    this.#shape = { periodMs: input.periodMs, bufferMs: input.bufferMs, cardRate: undefined };
    this.#device = new DeviceKeeper(
      (events) => {
        // A card that comes back may be another one.
        if (this.#device.lostReason !== null) this.#shape.cardRate = undefined;
        return new PcmCapture(captureOptions(config, this.#shape, this.#format.frameMs), events);
      },
      {
        onOpened: (device, negotiated) => this.#onOpened(device, negotiated),
        onWake: (device) => this.#onFrames(device),
        onClosing: (device) => this.#onClosing(device),
      },
      {
        key: 'input.device',
        device: input.device,
        watchFolders: soundCardFolders(process.env),
        log,
        fatal,
      },
    );
    this.#codec = chooseBackend(codec.backend, createNativeBackend, (reason) =>
      log.warn({ reason }, 'the native codec does not load, wasm is used'),
    );
    this.#format = this.#formatOf(input.quality);
    this.#encoder = new FrameEncoder(this.#codec, this.#channels, this.#format, codec);
    this.#pool = new BufferPool(
      {
        encoding: 1,
        fastPath: 1,
        // All clients share a packet's slot: their queues hold the newest 200 ms between them.
        queued: sendQueuePacketsMax + 1,
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
    this.#takeBack(device);
    for (let slot = device.peek(); slot; slot = device.peek()) {
      this.#onFrame(slot);
      const cardRate = this.#rateWatch.onFrame(slot);
      device.release();
      if (cardRate !== undefined) this.#followRate(cardRate);
    }
    this.#lend(device);
  }

  /** A steady stream needs nothing of what is here, until something changes. */
  #lend(device = this.#device.device): void {
    const { frameMs } = this.#format;
    const encoder = this.#encoder.role;
    const gates = this.#sinks.idleGates(frameMs);
    if (!device || device !== this.#device.device || device.fastPath.engaged) return;
    if (!encoder || !gates || this.#discontinuity) return;
    const packet = this.#pool.packets.acquire();
    if (!packet) return;
    this.#lentPacket = packet;
    device.fastPath.engage({
      encoder,
      gates,
      packet: packet.bytes,
      slotFrames: frameMs * framesPerMs,
      seq: this.#seq,
      mediaTime: this.#mediaTime,
      tellRows: Math.ceil(lookMs / frameMs),
    });
  }

  /** What the fast path did is as if it had been done here. */
  #takeBack(device = this.#device.device): void {
    const packet = this.#lentPacket;
    if (!device || !packet) return;
    this.#lentPacket = undefined;
    const { frames, unsentFrom } = device.fastPath.disengage();
    let cardRate: number | undefined;
    for (let index = 0; index < frames; index++) {
      const carried = device.fastPath.frame(index);
      this.#noteCarried(packet, carried);
      cardRate = this.#rateWatch.onFrame({ ...carried, discontinuity: false }) ?? cardRate;
    }
    if (unsentFrom < 0) this.#sinks.noteSent(frames);
    else {
      packet.seal();
      this.#sinks.noteSent(frames, { packet, had: unsentFrom });
    }
    packet.release();
    if (cardRate !== undefined) this.#followRate(cardRate);
  }

  /** `packet` becomes what that of the carried frame was. */
  #noteCarried(packet: PacketSlot, carried: CarriedFrame): void {
    const { timeUs, payloadBytes, startUs, encodedUs, sentUs } = carried;
    const frames = this.#format.frameMs * framesPerMs;
    packet.seq = this.#seq;
    packet.mediaTime = this.#mediaTime;
    packet.captureTimeUs = Math.round(timeUs);
    packet.frames = frames;
    packet.flags = isDtx(payloadBytes) ? packetFlags.dtx : 0;
    packet.setPayload(payloadBytes);
    this.#framesReceived += 1;
    this.#mediaTime += frames;
    this.#seq = (this.#seq + 1) >>> 0;
    this.#bytes += payloadBytes;
    this.#latency.add(timeUs, frames, startUs, encodedUs, sentUs);
    this.#latency.addCard(carried.lateUs, encodedUs / 1000);
  }

  /** The card is closed: no slot follows. */
  #followRate(cardRate: number): void {
    this.#context.log.warn({ cardRate }, 'the card runs at another rate, it is opened anew');
    this.#shape.cardRate = cardRate;
    this.#device.reopen();
  }

  #onFrame(frame: CaptureSlot): void {
    this.#framesReceived += 1;
    this.#discontinuity ||= frame.discontinuity;
    const mediaTime = this.#mediaTime;
    this.#mediaTime += frame.frames;
    const packet = this.#pool.packets.acquire();
    if (!packet) {
      this.#drops.pool_empty += 1;
      return;
    }
    const startUs = monotonicUs();
    if (!this.#encodeInto(packet, frame)) {
      packet.release();
      return;
    }
    const encodedUs = monotonicUs();
    packet.seq = this.#seq;
    packet.mediaTime = mediaTime;
    packet.captureTimeUs = Math.round(frame.timeUs);
    packet.frames = frame.frames;
    packet.flags =
      (this.#discontinuity ? packetFlags.discontinuity : 0) |
      (isDtx(packet.payloadBytes) ? packetFlags.dtx : 0);
    packet.seal();
    this.#seq = (this.#seq + 1) >>> 0;
    this.#discontinuity = false;
    this.#bytes += packet.payloadBytes;
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
    const told = this.#format;
    // The reply to hello is written before the first packet: both are queued in this order.
    setImmediate(() => {
      if (connection.closed) return;
      this.#takeBack();
      this.#sinks.add(connection);
      this.#lend();
      if (this.#format !== told) {
        connection.notify('format.changed', this.#streamFormat(this.#format));
      }
    });
    log.info({ client: hello.client }, 'listener connected');
    return {
      reply: welcome({ name: 'kvm-audio input', version }, this.#streamFormat(this.#format)),
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
    this.#takeBack();
    this.#sinks.remove(connection);
    this.#lend();
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
    const { input } = this.#context.config;
    this.#openedUs = monotonicUs();
    this.#letGo();
    this.#discontinuity = true;
    this.#rateWatch.onOpened(this.#shape.cardRate ?? negotiated.rate);
    device.setSlotFrames(this.#format.frameMs * framesPerMs);
    this.#context.log.info({ ...negotiated, device: input.device }, 'capture device opened');
  }

  #onClosing(device: PcmCapture): void {
    this.#takeBack(device);
    const { ringFullSlots, xruns } = device.counters();
    this.#drops.capture_ring_full += ringFullSlots;
    this.#xrunsBefore += xruns;
  }

  #formatOf(level: QualityLevel): EffectiveFormat {
    const { profile, frameMs, application } = this.#context.config.input;
    return effectiveFormat({
      direction: 'input',
      profile,
      level,
      frameMs,
      application,
      deviceChannels: this.#channels,
    });
  }

  #streamFormat(format: EffectiveFormat): StreamFormat {
    return toStreamFormat(format, this.#encoder.lookaheadSamples);
  }

  listQuality(): QualityEntry[] {
    return qualityLevels.map((level) => this.#entry(level));
  }

  quality(): QualityEntry {
    return this.#entry(this.#format.level);
  }

  setQuality(level: QualityLevel): QualityEntry {
    // From here on frame by frame, until the encoder has settled.
    this.#takeBack();
    this.#format = this.#formatOf(level);
    this.#encoder.setFormat(this.#format);
    this.#device.device?.setSlotFrames(this.#format.frameMs * framesPerMs);
    const entry = this.quality();
    this.#sinks.notify('format.changed', entry.format);
    return entry;
  }

  setBuffer(frames: number): void {
    this.#takeBack();
    this.#sinks.resize(frames);
    this.#lend();
  }

  #entry(level: QualityLevel): QualityEntry {
    return { direction: 'input', level, format: this.#streamFormat(this.#formatOf(level)) };
  }

  /** A change of the device's shape opens it anew: the stream has a gap, and says so. */
  tune({ complexity, periodMs, bufferMs }: TuningChange): PipelineTuning {
    this.#takeBack();
    if (complexity !== undefined) this.#encoder.limitComplexity(complexity);
    if (periodMs !== undefined || bufferMs !== undefined) {
      const shape = this.#shape;
      shape.periodMs = periodMs ?? shape.periodMs;
      shape.bufferMs = Math.max(bufferMs ?? shape.bufferMs, 2 * shape.periodMs);
      this.#device.reopen();
    }
    this.#lend();
    return this.#tuning(monotonicUs());
  }

  #tuning(nowUs: number): PipelineTuning {
    const { bufferMs, periodMs } = this.#shape;
    const card = { beyondMs: this.#latency.cardMs(nowUs / 1000), bufferMs, periodMs };
    const { complexity } = this.#encoder;
    return { ...card, bufferMsMin: 2 * periodMs, targetMs: null, spareMs: null, complexity };
  }

  #state(lastProgressUs: number | undefined): StreamState {
    if (this.#device.lostReason !== null) return 'no-device';
    if (!this.#wanted) return 'idle';
    if (lastProgressUs === undefined) return 'starting';
    const standstillUs = monotonicUs() - Math.max(lastProgressUs, this.#openedUs);
    return standstillUs > standstillMsMax * 1000 ? 'no-signal' : 'running';
  }

  report(): PipelineReport {
    this.#takeBack();
    this.#sinks.flush();
    this.#lend();
    const device = this.#device.device?.counters();
    const { sent, dropped } = this.#sinks.totals();
    const nowUs = monotonicUs();
    const hangs = hangingCall(device, this.#device.openingMs, nowUs);
    const state = hangs === null ? this.#state(device?.lastProgressUs) : 'degraded';
    return {
      state,
      reason: hangs ?? this.#device.lostReason ?? standstillReason(state),
      device: this.#context.config.input.device,
      card: cardReport(this.#device.negotiated),
      format: this.#streamFormat(this.#format),
      clients: this.#sinks.size,
      framesReceived: this.#framesReceived,
      packetsSent: sent,
      bytes: this.#bytes,
      drops: {
        ...this.#drops,
        capture_ring_full: this.#drops.capture_ring_full + (device?.ringFullSlots ?? 0),
        send_queue_full: dropped,
      },
      queueMs: this.#sinks.queueMs,
      capacity: this.#sinks.capacity(this.#format.frameMs),
      concealedMs: 0,
      trimmedMs: 0,
      insertedMs: 0,
      driftPpm: null,
      correctionPpm: 0,
      correctedBy: null,
      targetMs: null,
      marginMs: null,
      underruns: 0,
      callMs: Math.round(callMs(device, nowUs)),
      xruns: this.#xrunsBefore + (device?.xruns ?? 0),
      latency: this.#latency.endToEnd(nowUs / 1000),
      stages: this.#latency.stages(nowUs / 1000),
      tuning: this.#tuning(nowUs),
      clientFigures: this.#figures.list(),
    };
  }
}
