import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import { createRequire } from 'node:module';
import {
  exitCodes,
  FatalError,
  type Log,
  type LogRecord,
  type PipelineWelcome,
  pipelineNotices,
  SocketStream,
} from '@kvm-audio/daemon';
import { socketPair } from '@kvm-audio/native-alsa/sys';
import {
  awaitHello,
  Connection,
  type ConnectionHandlers,
  type Direction,
  type ParamsOf,
  type PipelineMethods,
  type PipelineReport,
  type PipelineStatus,
  type ProcessState,
  ProtocolError,
  type QualityLevel,
  type ResultOf,
} from '@kvm-audio/protocol';
import { Downtime } from './Downtime.js';
import { describeEnding, describeExit } from './describeExit.js';
import { HangWatch } from './HangWatch.js';
import { NewestReport } from './NewestReport.js';
import { RestartPolicy } from './RestartPolicy.js';

/** Times that bound a child's end. */
const deadlines = {
  /** From its start until it says hello on its channel. */
  helloMs: 30_000,
  /** From the stop message to SIGTERM, and from the start of a stop to SIGKILL. */
  termMs: 3_000,
  killMs: 5_000,
};
/** Bytes of standard error that are kept for the record of a death. */
const stderrBytesMax = 4_096;

/**
 * Node's flags for a pipeline: a small heap, and one helper thread for V8, as the device has one
 * core. The optimising compiler stays: without it the daemon takes a fifth more CPU once the program
 * is warm, for 1 to 2 MB less of private memory. But what runs once a second is optimised too, an
 * hour long, and what it inlines grows with that; and what only the start has run is kept for half
 * an hour. Without that private memory is 0.5 to 1 MB less, for no CPU that could be measured.
 */
const nodeFlags = [
  '--max-semi-space-size=1',
  '--max-old-space-size=32',
  '--v8-pool-size=1',
  '--bytecode-old-age=1',
  '--flush-baseline-code',
  '--max-inlined-bytecode-size-cumulative=100',
  '--expose-gc',
];

/**
 * One thread for what blocks, and one heap for all threads: the compiler's memory is then used again
 * by others (`MALLOC_ARENA_MAX`, man 3 mallopt).
 */
const threadSettings = { UV_THREADPOOL_SIZE: '1', MALLOC_ARENA_MAX: '1' };

export type PipelineProcessOptions = {
  direction: Direction;
  /** The configuration for the next start, with the level that is set now. */
  welcome(): PipelineWelcome;
  env: NodeJS.ProcessEnv;
  /** The socket that its clients connect to; inherited as `listenFd`. */
  listenFd: number;
  log: Log;
  /** What the child logs. */
  childLog: Log;
  /** Whether it accepts clients has changed. */
  onServing(serving: boolean): void;
  /** It has told its figures by itself. */
  onHeartbeat(): void;
  /** It cannot work with this configuration: it is not started again. */
  onUnusable(error: FatalError): void;
};

/** Exit codes after which another start with the same configuration is of no use. */
const unusableCodes: readonly number[] = [exitCodes.configuration, exitCodes.unknownDevice];

/**
 * One pipeline's process over all its lives: spawns it, waits for `ready`, watches its heartbeat,
 * starts it again after a death, stops it. The only owner of the child's id and channel.
 */
export class PipelineProcess {
  readonly #options: PipelineProcessOptions;
  readonly #policy = new RestartPolicy();
  readonly #downtime = new Downtime();
  #state: ProcessState = 'stopped';
  #child: ChildProcess | undefined;
  #channel: Connection | undefined;
  readonly #newest = new NewestReport();
  readonly #hangs = new HangWatch({
    ask: (deadlineMs) => this.#askReport(deadlineMs),
    onHung: (reason) => this.#endHung(reason),
  });
  #restarts = 0;
  #lastExit: string | null = null;
  #lastExitAtMs: number | null = null;
  #hangReason: string | undefined;
  #readyAtMs: number | undefined;
  #retryAtMs: number | undefined;
  #retryTimer: NodeJS.Timeout | undefined;
  #killTimer: NodeJS.Timeout | undefined;
  #stderr = '';
  #fatalMessage: string | undefined;
  #onStopped: (() => void)[] = [];

  constructor(options: PipelineProcessOptions) {
    this.#options = options;
  }

  get state(): ProcessState {
    return this.#state;
  }

  /** Nil while there is no process. */
  get pid(): number | null {
    return this.#child?.pid ?? null;
  }

  /** The newest of the running process; nil before its first. */
  get report(): PipelineReport | null {
    return this.#newest.report;
  }

  status(level: QualityLevel): Omit<PipelineStatus, 'usage' | 'optimiser'> {
    return {
      direction: this.#options.direction,
      pid: this.pid,
      state: this.#state,
      restarts: this.#restarts,
      downMs: Math.round(this.#downtime.totalMs(performance.now())),
      lastExit: this.#lastExit,
      lastExitAtMs: this.#lastExitAtMs,
      retryAfterMs:
        this.#retryAtMs === undefined
          ? null
          : Math.max(0, Math.round(this.#retryAtMs - performance.now())),
      level,
      stream: this.report,
      reportAgeMs: this.#newest.ageMs,
    };
  }

  /** @throws ProtocolError AUDIO_ALREADY_RUNNING */
  start(): void {
    if (this.#child) {
      const text = `the ${this.#options.direction} pipeline is ${this.#state}`;
      throw new ProtocolError('AUDIO_ALREADY_RUNNING', text);
    }
    this.#spawn();
  }

  /** Asks the running pipeline. Rejects with PIPELINE_UNAVAILABLE where there is none, or it ends. */
  async ask<M extends keyof PipelineMethods & string>(
    method: M,
    params: ParamsOf<PipelineMethods, M>,
  ): Promise<ResultOf<PipelineMethods, M>> {
    if (this.#state !== 'running' || !this.#channel) throw this.unavailable();
    try {
      return (await this.#channel.request(method, params)) as ResultOf<PipelineMethods, M>;
    } catch (error) {
      // Who asks has a connection of its own, and that is whole.
      if ((error as ProtocolError).code === 'CONNECTION_CLOSED') throw this.unavailable();
      throw error;
    }
  }

  /** Has `report` be that of now. Where the pipeline does not answer soon, it stays what it was. */
  async refresh(): Promise<void> {
    if (this.#state === 'running')
      await this.#newest.refresh((deadlineMs) => this.#askReport(deadlineMs));
  }

  async #askReport(deadlineMs: number): Promise<void> {
    const channel = this.#channel;
    const text = await channel?.request('report.get', {}, deadlineMs);
    if (channel && this.#channel === channel) this.#noteReport(text);
  }

  /** Message, then SIGTERM, then SIGKILL. Resolves when the process has ended. Idempotent. */
  stop(): Promise<void> {
    clearTimeout(this.#retryTimer);
    this.#retryAtMs = undefined;
    this.#downtime.end(performance.now());
    if (!this.#child) {
      this.#state = 'stopped';
      return Promise.resolve();
    }
    const stopped = new Promise<void>((resolve) => this.#onStopped.push(resolve));
    if (this.#state === 'stopping') return stopped;
    this.#state = 'stopping';
    this.#hangs.end();
    // An answer is not needed: the end of the process is the answer.
    this.#channel?.request('pipeline.stop', {}).catch(() => undefined);
    this.#endChild(deadlines.termMs, deadlines.killMs - deadlines.termMs);
    return stopped;
  }

  /** What is told to whoever needs it while it does not run. */
  unavailable(): ProtocolError {
    const { direction } = this.#options;
    const { retryAfterMs } = this.status('medium');
    return new ProtocolError(
      'PIPELINE_UNAVAILABLE',
      `the ${direction} pipeline is not running: ${this.#inWords(retryAfterMs)}`,
      {
        state: this.#state,
        reason: this.#lastExit,
        retryAfterMs,
      },
    );
  }

  #inWords(retryAfterMs: number | null): string {
    if (this.#state === 'running') {
      // Its channel ends first, the process is seen to end in a moment.
      return this.#hangReason === undefined
        ? 'it ends in this moment'
        : `it hangs (${this.#hangReason}) and is being ended`;
    }
    if (retryAfterMs === null) return this.#state;
    return `${this.#state} (${this.#lastExit}), next try in ${(retryAfterMs / 1000).toFixed(1)} s`;
  }

  #spawn(): void {
    const { direction, env, log } = this.#options;
    const entry = createRequire(import.meta.url).resolve(`@kvm-audio/${direction}-pipeline/main`);
    this.#state = 'starting';
    this.#retryAtMs = undefined;
    this.#newest.forget();
    this.#readyAtMs = undefined;
    this.#fatalMessage = undefined;
    this.#hangReason = undefined;
    this.#stderr = '';
    const [ours, theirs] = socketPair();
    // A process group of its own: Ctrl-C at the terminal is for the supervisor alone.
    const child = spawn(process.execPath, [...nodeFlags, entry], {
      stdio: ['ignore', 'ignore', 'pipe', this.#options.listenFd, theirs],
      detached: true,
      env: { ...env, ...threadSettings },
    });
    closeSync(theirs);
    this.#child = child;
    child.on('error', (error) => {
      if (child.pid === undefined)
        this.#onDeath(child, null, null, `cannot be started: ${error.message}`);
    });
    child.on('exit', (code, signal) => {
      // What it said last, such as why it ends, may wait to be read: it is looked at first.
      setImmediate(() => setImmediate(() => this.#onDeath(child, code, signal)));
    });
    if (child.pid === undefined) {
      closeSync(ours);
      return;
    }
    log.debug({ pid: child.pid }, `${direction} pipeline spawned`);
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-stderrBytesMax);
    });
    this.#openChannel(ours);
    this.#hangs.begin();
  }

  #openChannel(fd: number): void {
    const gate = awaitHello(
      ['pipeline'],
      () => ({ reply: this.#options.welcome(), handlers: this.#handlers() }),
      () => undefined,
      deadlines.helloMs,
    );
    const channel = new Connection(new SocketStream(fd), gate.handlers);
    gate.bind(channel);
    this.#channel = channel;
  }

  #handlers(): ConnectionHandlers {
    return {
      onRequest: (method) => {
        throw new ProtocolError('UNKNOWN_METHOD', `a pipeline has nothing to ask: ${method}`);
      },
      onNotification: (method, params) => this.#onNotice(method, params),
      onPacket: () => undefined,
      onClose: () => undefined,
    };
  }

  /** Our own child speaks here, of our own version: its notices are not checked field by field. */
  #onNotice(method: string, params: unknown): void {
    if (method === pipelineNotices.ready) {
      if (this.#state === 'starting') this.#state = 'running';
      this.#options.onServing(true);
      this.#readyAtMs = performance.now();
      this.#downtime.end(this.#readyAtMs);
      if (this.#state === 'running') this.#hangs.note(0);
    } else if (method === pipelineNotices.heartbeat) {
      this.#noteReport(params);
      this.#options.onHeartbeat();
    } else if (method === pipelineNotices.log) {
      this.#writeRecord(params as LogRecord);
    } else if (method === pipelineNotices.fatal) {
      this.#fatalMessage = (params as { message: string }).message;
    }
  }

  #noteReport(text: unknown): void {
    const { callMs } = this.#newest.take(text);
    if (this.#state === 'running') this.#hangs.note(callMs);
  }

  #writeRecord({ level, message, fields, dropped }: LogRecord): void {
    this.#options.childLog[level](dropped ? { ...fields, dropped } : fields, message);
  }

  #endHung(reason: string): void {
    const { direction, log } = this.#options;
    if (!this.#child || this.#state === 'stopping' || this.#hangReason !== undefined) return;
    this.#hangReason = reason;
    this.#noteOutage();
    log.warn({ pid: this.#child.pid }, `${direction} pipeline hangs: ${reason}`);
    this.#endChild(0, deadlines.killMs - deadlines.termMs);
  }

  /** Of a process that was never ready there is none, but that of the one before. */
  #noteOutage(): void {
    if (this.#readyAtMs !== undefined) this.#downtime.begin(performance.now());
  }

  #endChild(termAfterMs: number, killAfterMs: number): void {
    const child = this.#child;
    this.#killTimer = setTimeout(() => {
      child?.kill('SIGTERM');
      this.#killTimer = setTimeout(() => child?.kill('SIGKILL'), killAfterMs);
    }, termAfterMs);
  }

  #onDeath(
    child: ChildProcess,
    code: number | null,
    signal: NodeJS.Signals | null,
    how = describeExit(code, signal),
  ): void {
    if (this.#child !== child) return;
    this.#child = undefined;
    this.#channel?.destroy();
    this.#channel = undefined;
    this.#newest.forget();
    this.#options.onServing(false);
    this.#hangs.end();
    clearTimeout(this.#killTimer);
    if (this.#state === 'stopping') {
      this.#state = 'stopped';
      for (const resolve of this.#onStopped.splice(0)) resolve();
      return;
    }
    this.#noteOutage();
    const reason = this.#hangReason ?? this.#fatalMessage;
    const end = this.#hangReason === undefined ? how : describeEnding(code, signal);
    this.#lastExit = reason === undefined ? end : `${end}: ${reason}`;
    this.#lastExitAtMs = Date.now();
    if (code !== null && unusableCodes.includes(code)) {
      this.#state = 'failed';
      this.#options.onUnusable(new FatalError(code, this.#fatalMessage ?? how));
      return;
    }
    this.#restartLater();
  }

  #restartLater(): void {
    const { direction, log } = this.#options;
    const nowMs = performance.now();
    const ranMs = this.#readyAtMs === undefined ? 0 : nowMs - this.#readyAtMs;
    const { delayMs, failed } = this.#policy.onDeath(nowMs, ranMs);
    this.#state = failed ? 'failed' : 'backoff';
    this.#retryAtMs = nowMs + delayMs;
    const stderr = this.#stderr.trim();
    const facts = { delayMs, ...(stderr ? { stderr } : {}) };
    log.error(facts, `${direction} pipeline died (${this.#lastExit}), restart`);
    this.#retryTimer = setTimeout(() => {
      this.#restarts += 1;
      this.#spawn();
    }, delayMs);
  }
}
