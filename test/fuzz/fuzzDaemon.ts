import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import type { DaemonStatus, Direction } from '@kvm-audio/client';
import { Random } from '../helpers/random.js';
import { TestDaemon } from '../helpers/TestDaemon.js';
import { Fuzzer } from './Fuzzer.js';
import * as floods from './floods.js';
import { playTone, type ToneReport } from './tone.js';

export type FuzzSettings = {
  messages: number;
  seed: number;
  /** Of the connect floods; 0 leaves them out. */
  floodSeconds: number;
};

type Memory = Record<'supervisor' | Direction, number>;

export type FuzzReport = {
  messages: number;
  bytes: number;
  connections: number;
  seconds: number;
  outcomes: Record<string, number>;
  /** Of the messages above, those that were sent while audio played. */
  whilePlaying: number;
  audio: ToneReport & { drops: Record<string, number>; underruns: number; concealedMs: number };
  floods: Record<string, floods.Tally>;
  pssMbBefore: Memory;
  /** Of the messages, before the floods. */
  pssMbAfter: Memory;
  pssMbAfterFloods: Memory;
  samePids: boolean;
  restarts: number;
  /** How a pipeline's process ended, where one did. */
  ends: (string | null)[];
};

const connectionsAtOnce = 16;
/** So much is sent before memory is looked at first: what is compiled once is no growth. */
const warmUpPart = 0.1;
/** After the clients have gone, until what they held is given back. */
const settleMs = 2_500;

function pssMb(pid: number): number {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  return Number(/^Pss:\s+(\d+) kB/m.exec(text)?.[1] ?? Number.NaN) / 1024;
}

const pidsOf = ({ output, input }: DaemonStatus): number[] => [output.pid ?? 0, input.pid ?? 0];

function memoryOf({ pid, output, input }: DaemonStatus): Memory {
  return {
    supervisor: pssMb(pid),
    output: pssMb(output.pid ?? 0),
    input: pssMb(input.pid ?? 0),
  };
}

/** Everything at once: fuzzes a daemon in silence, then while audio plays, then floods it. */
export async function fuzzDaemon(settings: FuzzSettings): Promise<FuzzReport> {
  const daemon = await TestDaemon.start({ config: { input: { profile: 'program' } } });
  try {
    const { runtimeFolder } = daemon;
    const random = new Random(settings.seed);
    const startMs = performance.now();
    const options = { runtimeFolder, random, atOnce: connectionsAtOnce };
    const first = await daemon.status();

    const silent = new Fuzzer({ ...options, takeOver: true });
    await silent.run(settings.messages * warmUpPart);
    await pause(settleMs);
    await daemon.waitForStatus(
      'same processes',
      (now) => pidsOf(now).join() === pidsOf(first).join(),
      100,
    );
    const pssMbBefore = memoryOf(await daemon.status());
    await silent.run(settings.messages / 2);

    const bridge = await daemon.bridge();
    const playing = new Fuzzer({ ...options, takeOver: false });
    const before = (await daemon.status()).output.stream;
    const tone = await playTone(daemon, () => playing.run(settings.messages - silent.sent));
    await pause(1_100);
    const after = (await daemon.status()).output.stream;
    await bridge.stop();
    const seconds = (performance.now() - startMs) / 1_000;

    await pause(settleMs);
    const pssMbAfter = memoryOf(await daemon.status());
    const floodReport = await flood(runtimeFolder, settings.floodSeconds);
    await pause(settleMs);
    const last = await daemon.status();
    const outcomes = { ...silent.outcomes };
    for (const [key, count] of Object.entries(playing.outcomes)) {
      outcomes[key] = (outcomes[key] ?? 0) + count;
    }
    return {
      messages: silent.sent + playing.sent,
      bytes: silent.bytes + playing.bytes,
      connections: silent.connections + playing.connections,
      seconds,
      outcomes,
      whilePlaying: playing.sent,
      audio: {
        ...tone,
        drops: Object.fromEntries(
          Object.entries(after?.drops ?? {})
            .map(([place, count]) => [place, count - Number(Object(before?.drops)[place] ?? 0)])
            .filter(([, count]) => Number(count) > 0),
        ) as Record<string, number>,
        underruns: (after?.underruns ?? 0) - (before?.underruns ?? 0),
        concealedMs: (after?.concealedMs ?? 0) - (before?.concealedMs ?? 0),
      },
      floods: floodReport,
      pssMbBefore,
      pssMbAfter,
      pssMbAfterFloods: memoryOf(last),
      ends: [last.output.lastExit, last.input.lastExit],
      samePids: first.pid === last.pid && pidsOf(first).join() === pidsOf(last).join(),
      restarts: last.output.restarts + last.input.restarts,
    };
  } catch (error) {
    throw new Error(`${(error as Error).message}; the daemon's log:\n${notable(daemon.log)}`);
  } finally {
    await daemon.stop();
  }
}

/** Without the comings and goings of clients. */
function notable(log: string): string {
  const lines = log.split('\n').filter((line) => !/(connected|gone|quality set)"}$/.test(line));
  return lines.slice(-40).join('\n');
}

async function flood(folder: string, seconds: number): Promise<Record<string, floods.Tally>> {
  const report: Record<string, floods.Tally> = {};
  const sides = [
    ['input', 'sink'],
    ['output', 'source'],
    ['control', 'control'],
  ] as const;
  for (const [socket, role] of sides) {
    if (seconds > 0) {
      report[`${socket}: 1,000 a second`] = await floods.connectFlood(
        folder,
        socket,
        1_000,
        seconds,
      );
    }
    report[`${socket}: one too many`] = await floods.tooMany(folder, socket, role);
    report[`${socket}: half-open`] = await floods.halfOpen(folder, socket, role);
    report[`${socket}: a byte a second`] = await floods.slowHello(folder, socket, role);
  }
  report['control: too many requests'] = await floods.manyRequests(folder);
  report['control: never reads'] = await floods.neverReads(folder);
  return report;
}
