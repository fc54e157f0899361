import {
  ClientListener,
  type Config,
  exitCodes,
  FatalError,
  type Log,
  version,
} from '@kvm-audio/daemon';
import {
  type ConnectionHandlers,
  type ControlMethods,
  callMethod,
  controlChecks,
  type DaemonStatus,
  type Direction,
  directions,
  type MethodsOf,
  type QualityLevel,
  socketPath,
  welcome,
} from '@kvm-audio/protocol';
import { chooseDevice, deviceEnvironment } from './chooseDevices.js';
import { lockRuntimeFolder } from './lockRuntimeFolder.js';
import { PipelineProcess } from './PipelineProcess.js';

export type SupervisorOptions = {
  config: Config;
  runtimeFolder: string;
  log: Log;
  writeLog(line: string): void;
  /** A pipeline cannot work with this configuration. */
  onUnusable(error: FatalError): void;
};

/**
 * The whole daemon: one process for each direction and the control socket. Audio never comes
 * here. Order of starting: control socket (the lock), then the pipelines; of stopping: the
 * pipelines, then the control socket, so that a stop can be watched.
 */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #config: Config;
  readonly #levels: Record<Direction, QualityLevel>;
  readonly #pipelines: Record<Direction, PipelineProcess>;
  readonly #control: ClientListener;
  readonly #startedAtMs = performance.now();

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#config = withDevices(options.config);
    this.#levels = { output: options.config.output.quality, input: options.config.input.quality };
    this.#pipelines = { output: this.#pipeline('output'), input: this.#pipeline('input') };
    this.#control = new ClientListener({
      path: socketPath(options.runtimeFolder, 'control'),
      replace: true,
      roles: ['control'],
      log: options.log,
      onHello: () => ({
        reply: welcome({ name: 'kvm-audiod', version }, null),
        handlers: this.#handlers,
      }),
    });
  }

  /** @throws FatalError where a daemon runs already or the folder cannot be used. */
  start(): void {
    const { runtimeFolder, log } = this.#options;
    lockRuntimeFolder(runtimeFolder);
    this.#listenForControl(socketPath(runtimeFolder, 'control'));
    const { output, input } = this.#config;
    log.info({ output: output.device, input: input.device, runtimeFolder, version }, 'started');
    for (const direction of directions) this.#pipelines[direction].start();
  }

  async stop(): Promise<void> {
    await Promise.all(directions.map((direction) => this.#pipelines[direction].stop()));
    await this.#control.close();
    this.#options.log.info('stopped');
  }

  #listenForControl(path: string): void {
    try {
      this.#control.listen();
    } catch (error) {
      const why = (error as NodeJS.ErrnoException).code ?? String(error);
      throw new FatalError(exitCodes.runtimeFolder, `cannot listen on ${path} (${why})`);
    }
  }

  #pipeline(direction: Direction): PipelineProcess {
    const { runtimeFolder, log, writeLog, onUnusable } = this.#options;
    return new PipelineProcess({
      direction,
      welcome: () => ({ config: this.#configNow(), runtimeFolder }),
      env: deviceEnvironment(this.#config, process.env),
      log,
      writeLog,
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

  #status(): DaemonStatus {
    return {
      pid: process.pid,
      version,
      uptimeMs: Math.round(performance.now() - this.#startedAtMs),
      output: this.#pipelines.output.status(this.#levels.output),
      input: this.#pipelines.input.status(this.#levels.input),
    };
  }

  readonly #methods: MethodsOf<ControlMethods> = {
    'status.get': () => this.#status(),
    'quality.list': async () => {
      const lists = directions.map((d) => this.#pipelines[d].ask('quality.list', {}));
      return (await Promise.all(lists)).flat();
    },
    'quality.get': ({ direction }) => {
      const wanted = direction === undefined ? directions : [direction];
      return Promise.all(wanted.map((d) => this.#pipelines[d].ask('quality.get', {})));
    },
    'quality.set': async ({ direction, level }) => {
      const entry = await this.#pipelines[direction].ask('quality.set', { level });
      this.#levels[direction] = level;
      this.#options.log.info({ direction, level }, 'quality set');
      return entry;
    },
  };

  readonly #handlers: ConnectionHandlers = {
    onRequest: (method, params) => callMethod(controlChecks, this.#methods, method, params),
    onNotification: () => undefined,
    onPacket: () => undefined,
    onClose: () => undefined,
  };
}

function withDevices(config: Config): Config {
  const { output, input } = config;
  return {
    ...config,
    output: { ...output, device: chooseDevice('output', output.device) },
    input: { ...input, device: chooseDevice('input', input.device) },
  };
}
