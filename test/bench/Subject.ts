import type { LatencySummary, PipelineReport } from '@kvm-audio/protocol';
import { inRepository } from '../helpers/repository.js';
import { TestDaemon } from '../helpers/TestDaemon.js';
import { TestProcess } from '../helpers/TestProcess.js';
import type { VirtualCard } from '../helpers/VirtualCard.js';
import { waitFor } from '../helpers/waitFor.js';
import { makeCards } from './makeCards.js';
import { peerNames, startPeer } from './peers.js';
import { type Setting, yardstickArgs } from './settings.js';

/** Events that a subject itself counted since it started. */
export type Counters = {
  underruns: number;
  xruns: number;
  concealedMs: number;
  /** Audio that was cut out or put in to keep the margin. */
  splicedMs: number;
  dropped: number;
};

/** What is measured: it carries sound from the input card to the output card. */
export interface Subject {
  readonly folder: string;
  /** From the start until its latency is that of the steady state. */
  readonly settleSeconds: number;
  /** The same for its CPU and memory, in a long leg. */
  readonly warmUpSeconds: number;
  readonly inputCard: VirtualCard;
  readonly outputCard: VirtualCard;
  /** Its processes by name. */
  readonly pids: Readonly<Record<string, number>>;
  /** @returns undefined where it cannot say before its end. */
  counters(): Promise<Counters | undefined>;
  /** @returns when it ran dry, as far as it tells: CLOCK_MONOTONIC in µs, the newest last. */
  dryUs(): number[];
  /** @returns what its own monitor says of the whole path; undefined where it has none. */
  latency(): Promise<LatencySummary | undefined>;
  /** @returns the drift of its source against its card, as it tells it; nil where it knows none. */
  driftPpm(): Promise<number | null>;
  /** @returns what it counts only at its end. */
  stop(): Promise<Counters | undefined>;
}

export const subjectNames = ['kvm-audio', 'yardstick', ...peerNames] as const;
export type SubjectName = (typeof subjectNames)[number];

export function startSubject(name: SubjectName, setting: Setting): Promise<Subject> {
  if (name === 'kvm-audio') return startProgram(setting);
  return name === 'yardstick' ? startYardstick(setting) : startPeer(name, setting);
}

async function startProgram({ level, profile, frameMs, application }: Setting): Promise<Subject> {
  const apart = {
    ...(frameMs === undefined ? {} : { frameMs }),
    ...(application === undefined ? {} : { application }),
  };
  const daemon = await TestDaemon.start({
    config: {
      input: { profile, quality: level, ...apart },
      output: { quality: level, ...apart },
      // With the times of underruns.
      log: { level: 'debug' },
    },
  });
  try {
    const bridge = await daemon.bridge();
    const { output, input } = await daemon.status();
    return {
      folder: daemon.folder,
      // For ten seconds it does not trust what it knows of the source; then its margin falls. And what
      // it tells of its latency is of the last 20 s.
      settleSeconds: 32,
      // V8 compiles what runs once a second over most of four minutes, here for eight programs at a
      // time on two cores.
      warmUpSeconds: 240,
      inputCard: daemon.inputCard,
      outputCard: daemon.outputCard,
      pids: {
        supervisor: daemon.pid,
        input: input.pid ?? 0,
        output: output.pid ?? 0,
        bridge: bridge.pid,
      },
      counters: () => freshCounters(daemon),
      dryUs: () => dryTimes(daemon.log),
      latency: async () => (await daemon.call('latency.get', {})).output?.endToEnd,
      driftPpm: async () => (await daemon.status()).output.stream?.driftPpm ?? null,
      stop: async () => {
        await daemon.stop();
        return undefined;
      },
    };
  } catch (error) {
    await daemon.stop();
    throw error;
  }
}

/** Of the output pipeline's lines about underruns. */
function dryTimes(log: string): number[] {
  return [...log.matchAll(/"underruns":\d+,"lastAtUs":(\d+)/g)].map(([, atUs]) => Number(atUs));
}

/** From reports that both pipelines make from now on. */
async function freshCounters(daemon: TestDaemon): Promise<Counters> {
  const reports = await daemon.freshReports();
  const sum = (count: (report: PipelineReport) => number): number =>
    reports.reduce((total, report) => total + count(report), 0);
  return {
    underruns: sum(({ underruns }) => underruns),
    xruns: sum(({ xruns }) => xruns),
    concealedMs: sum(({ concealedMs }) => concealedMs),
    splicedMs: sum(({ trimmedMs, insertedMs }) => trimmedMs + insertedMs),
    dropped: sum(({ drops }) => Object.values(drops).reduce((a, b) => a + b, 0)),
  };
}

async function startYardstick(setting: Setting): Promise<Subject> {
  const { folder, inputCard, outputCard, remove } = makeCards();
  const command = inRepository('native-alsa/build/bench/yardstick');
  const args = [inputCard.pcm, outputCard.pcm, ...yardstickArgs(setting)];
  const process = new TestProcess('yardstick', command, args, inputCard.env);
  const stop = async (signal: NodeJS.Signals): Promise<void> => {
    await process.stop(signal);
    remove();
  };
  const ready = async (): Promise<RegExpExecArray> => {
    const pids = await waitFor('ready yardstick', () => {
      process.assertRunning();
      return /ready (\d+) (\d+)/.exec(process.output) ?? undefined;
    });
    await waitFor('yardstick that plays', async () => {
      process.assertRunning();
      return (await outputCard.status()).playback.state === 'RUNNING';
    });
    return pids;
  };
  const [, capture, playback] = await ready().catch(async (error: Error) => {
    await stop('SIGKILL');
    throw error;
  });
  return {
    folder,
    settleSeconds: 3,
    warmUpSeconds: 8,
    inputCard,
    outputCard,
    pids: { capture: Number(capture), playback: Number(playback) },
    counters: async () => undefined,
    dryUs: () => [],
    latency: async () => undefined,
    driftPpm: async () => null,
    stop: async () => {
      await stop('SIGTERM');
      const count = (name: string): number =>
        Number(new RegExp(`${name}=(\\d+)`).exec(process.output)?.[1]);
      const xruns = count('underruns') + count('overruns');
      return { underruns: count('underruns'), xruns, concealedMs: 0, splicedMs: 0, dropped: 0 };
    },
  };
}
