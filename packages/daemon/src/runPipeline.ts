import os from 'node:os';
import { endWithParent } from '@kvm-audio/native-alsa/sys';
import {
  Connection,
  callMethod,
  type Direction,
  type MethodsOf,
  type PipelineMethods,
  type PipelineReport,
  type PipelineTuning,
  pipelineChecks,
  protocolVersion,
  type QualityEntry,
  type QualityLevel,
  type TuningChange,
} from '@kvm-audio/protocol';
import { createChannelLog } from './channelLog.js';
import type { Config } from './config/schema.js';
import { exitCodes, FatalError } from './exitCodes.js';
import { nicenessHint } from './hints.js';
import { ignoreUserSignals } from './ignoreUserSignals.js';
import type { Log, LogLevel } from './LogRecord.js';
import {
  type PipelineWelcome,
  pipelineNotices,
  reportMs,
  reportText,
  supervisorFd,
} from './pipelineChannel.js';
import { SocketStream } from './SocketStream.js';
import { unmapUnusedLater } from './unmapUnusedLater.js';

export type PipelineContext = {
  config: Config;
  log: Log;
  /** Ends the process with this error, after the supervisor was told. */
  fatal(error: FatalError): void;
};

/** One direction's audio, as its process sees it. */
export interface Pipeline {
  /** Resolves when clients are accepted. */
  start(): Promise<void>;
  /**
   * The figures of now.
   *
   * @param tends as they are told now and then: housekeeping that belongs to no frame comes first.
   */
  report(tends: boolean): PipelineReport;
  listQuality(): QualityEntry[];
  quality(): QualityEntry;
  setQuality(level: QualityLevel): QualityEntry;
  /** What the direction does not have is left alone. @returns what is in effect. */
  tune(change: TuningChange): PipelineTuning;
  /** Where audio waits to be played. @returns how much was left out, in milliseconds. */
  skipBacklog?(): number;
  /** So many frames may queue from now on; what is beyond them goes, the oldest first. */
  setBuffer(frames: number): void;
  /** Whether the event loop may stand still for some 10 ms now without being heard. */
  readonly mayPause: boolean;
  /** Gives everything back: clients, device, slots. */
  stop(): Promise<void>;
}

/** Log bytes that may wait for the supervisor; what comes on top is dropped and counted. */
const logBytesMax = 65_536;
/** A stop that takes longer is cut short: the supervisor would kill us anyway. */
const stopDeadlineMs = 2_000;

function exitWithError(error: unknown): never {
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
  process.exit(error instanceof FatalError ? error.exitCode : exitCodes.internal);
}

function logTo(channel: Connection, level: LogLevel): Log {
  return createChannelLog(level, (record) => {
    if (channel.queuedBytes > logBytesMax) return false;
    channel.notify(pipelineNotices.log, record);
    return true;
  });
}

/**
 * The life of a pipeline's process: hello to the supervisor on fd 4, the configuration from its
 * reply, `ready`, heartbeats, and an end when the supervisor says so or is gone.
 * Does not return before the process ends.
 */
export async function runPipeline(
  direction: Direction,
  make: (context: PipelineContext) => Pipeline,
): Promise<void> {
  process.on('uncaughtException', exitWithError);
  process.on('unhandledRejection', exitWithError);
  // The end of the channel tells it too; but not to a process that is stopped, or that spins.
  endWithParent(os.constants.signals.SIGKILL);
  let log: Log | undefined;
  ignoreUserSignals(() => log);
  let pipeline: Pipeline | undefined;
  let stopping = false;
  let noteClosed = (): void => undefined;
  const closed = new Promise<void>((resolve) => {
    noteClosed = resolve;
  });

  async function stop(exitCode: number): Promise<void> {
    if (stopping) return;
    stopping = true;
    setTimeout(() => process.exit(exitCode || exitCodes.internal), stopDeadlineMs).unref();
    await pipeline?.stop();
    channel.end();
    // What was said last waits in this process while the supervisor is busy; it closes behind it.
    await closed;
    process.exit(exitCode);
  }

  function need(): Pipeline {
    if (!pipeline) throw new Error('the supervisor asks before the pipeline is made');
    return pipeline;
  }

  const methods: MethodsOf<PipelineMethods> = {
    'pipeline.stop': () => {
      setImmediate(() => void stop(exitCodes.ok));
      return {};
    },
    'quality.list': () => need().listQuality(),
    'quality.get': () => need().quality(),
    'quality.set': ({ level }) => need().setQuality(level),
    'tuning.set': (change) => need().tune(change),
    'backlog.skip': () => ({ skippedMs: need().skipBacklog?.() ?? 0 }),
    'buffer.set': ({ frames }) => {
      need().setBuffer(frames);
      return {};
    },
    'report.get': () => reportText(need().report(false)),
  };
  const channel = new Connection(new SocketStream(supervisorFd), {
    onRequest: (method, params) => callMethod(pipelineChecks, methods, method, params),
    onNotification: () => undefined,
    onPacket: () => undefined,
    onClose: () => {
      noteClosed();
      void stop(exitCodes.ok);
    },
  });
  process.on('SIGTERM', () => void stop(exitCodes.ok));
  process.on('SIGINT', () => void stop(exitCodes.ok));

  const name = `${direction}-pipeline`;
  const reply = await channel.request('hello', {
    protocol: protocolVersion,
    role: 'pipeline',
    client: name,
  });
  const { config } = reply as PipelineWelcome;
  log = logTo(channel, config.log.level);
  setNiceness(config.realtime.niceness, log);
  pipeline = make({
    config,
    log,
    fatal: (error) => {
      channel.notify(pipelineNotices.fatal, { exitCode: error.exitCode, message: error.message });
      void stop(error.exitCode);
    },
  });
  await pipeline.start();
  channel.notify(pipelineNotices.ready, {});
  const lookForUnused = unmapUnusedLater(direction, log, () => need().mayPause);
  const heartbeat = (): void => {
    if (stopping) return;
    channel.notify(pipelineNotices.heartbeat, reportText(need().report(true)));
    lookForUnused();
  };
  heartbeat();
  setInterval(heartbeat, reportMs(config));
}

function setNiceness(niceness: number, log: Log): void {
  try {
    os.setPriority(niceness);
  } catch (error) {
    // The error's own code says no more than that it is the system's.
    const { info } = error as { info?: { code: string } };
    log.warn({ niceness, code: info?.code, hint: nicenessHint }, 'niceness was refused');
  }
}
