import {
  ClientListener,
  type Config,
  type FatalError,
  forbidden,
  isInOurGroup,
  isTrusted,
  type Log,
  reportMs,
  version,
} from '@kvm-audio/daemon';
import { duplicateFd, type Peer } from '@kvm-audio/native-alsa/sys';
import {
  type Connection,
  type ConnectionHandlers,
  type ControlMethods,
  callMethod,
  controlChecks,
  type DaemonStatus,
  type Direction,
  directions,
  type MethodsOf,
  type PipelineStatus,
  ProtocolError,
  type QualityLevel,
  socketPath,
  welcome,
} from '@kvm-audio/protocol';
import { BoundSocket } from './BoundSocket.js';
import { BufferControl } from './BufferControl.js';
import { chooseDevice, deviceEnvironment } from './chooseDevices.js';
import { directionLatency } from './latency/directionLatency.js';
import { LatencyMonitor, type LatencySubject } from './latency/LatencyMonitor.js';
import { lockRuntimeFolder } from './lockRuntimeFolder.js';
import { PipelineProcess } from './PipelineProcess.js';
import { ProcessMonitor } from './ProcessMonitor.js';
import { Rounds } from './Rounds.js';
import { SocketWatch } from './SocketWatch.js';
import { UnservedClients } from './UnservedClients.js';

/** What the daemon's group may look at, but not do. */
const changingMethods: ReadonlySet<string> = new Set<keyof ControlMethods>(['quality.set']);

export type SupervisorOptions = {
  config: Config;
  runtimeFolder: string;
  log: Log;
  /** What the pipelines log. */
  pipelineLogs: Record<Direction, Log>;
  /** It is awake, and has looked at all that it looks at. */
  onRound(): void;
  /** A pipeline cannot work with this configuration. */
  onUnusable(error: FatalError): void;
};

type Served = { socket: BoundSocket; process: PipelineProcess; unserved: UnservedClients };

/**
 * The whole daemon: one process for each direction and the control socket. Audio never comes
 * here. Order of starting: the lock, all sockets, then the pipelines; of stopping: the pipelines
 * and their sockets, then the control socket, so that a stop can be watched.
 */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #config: Config;
  readonly #levels: Record<Direction, QualityLevel>;
  readonly #pipelines: Record<Direction, Served>;
  readonly #buffers: BufferControl;
  readonly #controlSocket: BoundSocket;
  readonly #socketWatch: SocketWatch;
  readonly #control: ClientListener;
  readonly #monitor = new ProcessMonitor(() => this.#pids());
  readonly #latency: LatencyMonitor;
  readonly #startedAtMs = performance.now();
  readonly #rounds: Rounds;

  /** @throws FatalError where a daemon runs already or the folder cannot be used. */
  constructor(options: SupervisorOptions) {
    const { config, runtimeFolder, log } = options;
    this.#options = options;
    this.#config = withDevices(config);
    this.#levels = { output: config.output.quality, input: config.input.quality };
    lockRuntimeFolder(runtimeFolder);
    const open = config.control.uids.length > 0;
    this.#controlSocket = new BoundSocket(socketPath(runtimeFolder, 'control'), open);
    this.#pipelines = { output: this.#serve('output'), input: this.#serve('input') };
    const dataSockets = directions.map((direction) => this.#pipelines[direction].socket);
    this.#socketWatch = new SocketWatch(runtimeFolder, [this.#controlSocket, ...dataSockets], log);
    const nowMs = this.#startedAtMs;
    const subjects = {
      output: this.#latencySubject('output'),
      input: this.#latencySubject('input'),
    };
    this.#latency = new LatencyMonitor({ config: config.latency, subjects, log }, nowMs);
    const pipelines = {
      output: this.#pipelines.output.process,
      input: this.#pipelines.input.process,
    };
    const usageOf = (pid: number | null) => this.#monitor.usageOf(pid);
    const settings = config.buffers;
    this.#buffers = new BufferControl({ settings, pipelines, usageOf, log }, nowMs);
    this.#rounds = new Rounds({
      isExpected: (direction) => this.#isUnderWay(direction),
      work: () => this.#look(),
      lateMs: 2 * reportMs(config),
    });
    this.#control = new ClientListener({
      fd: duplicateFd(this.#controlSocket.fd),
      roles: ['control'],
      log,
      refuse: (peer) =>
        isTrusted(peer, config.control.uids) || isInOurGroup(peer)
          ? undefined
          : forbidden(peer, 'look', 'control.uids'),
      onHello: (_hello, connection, peer) => ({
        reply: welcome({ name: 'kvm-audiod', version }, null),
        handlers: this.#handlersFor(connection, peer),
      }),
    });
  }

  start(): void {
    const { runtimeFolder, log } = this.#options;
    this.#control.listen();
    const { output, input } = this.#config;
    log.info({ output: output.device, input: input.device, runtimeFolder, version }, 'started');
    for (const direction of directions) this.#pipelines[direction].process.start();
    this.#rounds.start();
  }

  #isUnderWay(direction: Direction): boolean {
    const { state } = this.#pipelines[direction].process;
    return state === 'starting' || state === 'running';
  }

  #look(): void {
    const nowMs = performance.now();
    this.#monitor.sample(nowMs);
    this.#latency.look(nowMs);
    this.#buffers.look(nowMs);
    this.#options.onRound();
  }

  async stop(): Promise<void> {
    this.#socketWatch.close();
    this.#rounds.stop();
    await Promise.all(directions.map((direction) => this.#stopServing(direction)));
    this.#monitor.stop();
    this.#controlSocket.close();
    await this.#control.close();
    this.#options.log.info('stopped');
  }

  async #stopServing(direction: Direction): Promise<void> {
    const { process, socket, unserved } = this.#pipelines[direction];
    await process.stop();
    unserved.end();
    socket.close();
  }

  #serve(direction: Direction): Served {
    const { runtimeFolder, log } = this.#options;
    const open = this.#config.clients.uids.length > 0;
    const socket = new BoundSocket(socketPath(runtimeFolder, direction), open);
    const role = direction === 'output' ? 'source' : 'sink';
    const unserved = new UnservedClients(socket.fd, role, log, () => process.unavailable());
    const process = this.#pipeline(direction, socket.fd, (serving) => {
      if (!serving) {
        unserved.begin();
        return;
      }
      unserved.end();
      this.#buffers.tell(direction);
      if (process.pid !== null) this.#monitor.look(process.pid, performance.now());
    });
    unserved.begin();
    return { socket, process, unserved };
  }

  #pipeline(
    direction: Direction,
    listenFd: number,
    onServing: (serving: boolean) => void,
  ): PipelineProcess {
    const { log, pipelineLogs, onUnusable } = this.#options;
    return new PipelineProcess({
      direction,
      listenFd,
      onServing,
      welcome: () => ({ config: this.#configNow() }),
      env: deviceEnvironment(this.#config, process.env),
      log,
      childLog: pipelineLogs[direction],
      onHeartbeat: () => this.#rounds.heard(direction),
      onUnusable,
    });
  }

  #configNow(): Config {
    const { output, input } = this.#config;
    return {
      ...this.#config,
      output: { ...output, quality: this.#levels.output },
      input: { ...input, quality: this.#levels.input },
    };
  }

  /** With the figures of now, of each pipeline that answers. */
  async #status(): Promise<DaemonStatus> {
    // One after the other: two that wake at a time want both of two cores from the cards' threads.
    for (const direction of directions) await this.#pipelines[direction].process.refresh();
    return {
      pid: process.pid,
      version,
      uptimeMs: Math.round(performance.now() - this.#startedAtMs),
      usage: this.#monitor.usageOf(process.pid),
      buffers: this.#buffers.stats(),
      output: this.#pipelineStatus('output'),
      input: this.#pipelineStatus('input'),
    };
  }

  #pipelineStatus(direction: Direction): PipelineStatus {
    const status = this.#pipelines[direction].process.status(this.#levels[direction]);
    const optimiser = this.#latency.reportOf(direction);
    return { ...status, usage: this.#monitor.usageOf(status.pid), optimiser };
  }

  #latencySubject(direction: Direction): LatencySubject {
    const { process } = this.#pipelines[direction];
    return {
      pid: () => process.pid,
      report: () => process.report,
      cpuPercent: () => this.#monitor.usageOf(process.pid)?.cpuPercent ?? null,
      tune: (change) => process.ask('tuning.set', change),
      skipBacklog: () => process.ask('backlog.skip', {}),
    };
  }

  #pids(): number[] {
    // One that starts is not yet what it will be.
    const children = directions
      .map((direction) => this.#pipelines[direction].process)
      .flatMap(({ state, pid }) => (state === 'running' && pid !== null ? [pid] : []));
    return [process.pid, ...children];
  }

  /** What those that run answer; rejects as the first of them does where none does. */
  async #askEach<T>(
    wanted: readonly Direction[],
    ask: (process: PipelineProcess) => Promise<T>,
  ): Promise<T[]> {
    const asked = wanted.map((direction) => ask(this.#pipelines[direction].process));
    const answers = await Promise.allSettled(asked);
    const results = answers.flatMap((a) => (a.status === 'fulfilled' ? [a.value] : []));
    return results.length > 0 ? results : Promise.all(asked);
  }

  readonly #methods: MethodsOf<ControlMethods> = {
    'status.get': () => this.#status(),
    'latency.get': async () => {
      const { output, input } = await this.#status();
      const { targetMs, maxMs, jitterMs } = this.#config.latency;
      return {
        limits: { targetMs, maxMs, jitterMs },
        output: directionLatency(output),
        input: directionLatency(input),
      };
    },
    'metrics.get': async () => {
      // Most daemons are never asked: what makes the text takes no memory until then.
      const { metricsText, contentType } = await import('./metrics/metricsText.js');
      return { contentType, text: metricsText(await this.#status()) };
    },
    'quality.list': async () => {
      const lists = this.#askEach(directions, (process) => process.ask('quality.list', {}));
      return (await lists).flat();
    },
    'quality.get': ({ direction }) => {
      const wanted = direction === undefined ? directions : [direction];
      return this.#askEach(wanted, (process) => process.ask('quality.get', {}));
    },
    'quality.set': async ({ direction, level }) => {
      const entry = await this.#pipelines[direction].process.ask('quality.set', { level });
      this.#levels[direction] = level;
      this.#options.log.info({ direction, quality: level }, 'quality set');
      return entry;
    },
  };

  #handlersFor(connection: Connection, peer: Peer): ConnectionHandlers {
    const trusted = isTrusted(peer, this.#config.control.uids);
    return {
      onRequest: (method, params) => {
        if (!trusted && changingMethods.has(method)) {
          throw forbidden(peer, `call ${method}`, 'control.uids');
        }
        return callMethod(controlChecks, this.#methods, method, params);
      },
      onNotification: () => undefined,
      onPacket: () =>
        connection.fail(new ProtocolError('ROLE_REFUSED', 'the control socket takes no audio')),
      onClose: () => undefined,
    };
  }
}

function withDevices(config: Config): Config {
  const { output, input } = config;
  return {
    ...config,
    output: { ...output, device: chooseDevice('output', output.device) },
    input: { ...input, device: chooseDevice('input', input.device) },
  };
}
