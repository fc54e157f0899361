import net from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type Direction, directions, socketPath } from '@kvm-audio/client';
import { cardTime, monotonicMs } from '../helpers/cardTime.js';
import { PcmRecording } from '../helpers/PcmRecording.js';
import { silences } from '../helpers/silences.js';
import { soundIsBackMs } from '../helpers/soundIsBack.js';
import type { TestDaemon } from '../helpers/TestDaemon.js';
import { FedDaemon } from './FedDaemon.js';

export type Recovery = {
  what: 'kill' | 'replug';
  direction: Direction;
  /** For how long the card was gone. */
  goneSeconds: number;
  /** Of each time: until audio was back. */
  backMs: number[];
  /** Connects while the pipeline was gone, and how many were refused. */
  connects: number;
  refused: number;
};

export type RecoveryPlan = {
  times: number;
  goneSeconds: number;
  /** From the start to the kill; from 60 s on the first restart is at once. */
  runSeconds: number;
};

/** Audio is back where no silence of 10 ms comes for `backForMs`. */
const gapFramesMin = 480;
const backForMs = 300;
const steadyMs = 1_500;
const connectEveryMs = 50;

/** Unplugs and replugs each card, then kills each pipeline with -9, in several daemons in turn. */
export async function measureRecovery(plan: RecoveryPlan): Promise<Recovery[]> {
  const daemons: FedDaemon[] = [];
  // The track outlasts the longest of it: all the waits, and a little for each measurement.
  const secondsPerTime = 12;
  const seconds =
    plan.runSeconds + 2 * plan.goneSeconds + plan.times * secondsPerTime * 2 * directions.length;
  try {
    for (let i = 0; i < plan.times; i++) daemons.push(await FedDaemon.start(seconds));
    const startedMs = monotonicMs();
    const results: Recovery[] = [];
    for (const direction of directions) results.push(await replugAll(daemons, direction, plan));
    await pause(Math.max(0, startedMs + plan.runSeconds * 1000 - monotonicMs()));
    for (const direction of directions) results.push(await killAll(daemons, direction));
    return results;
  } finally {
    for (const each of daemons) await each.stop();
  }
}

const cardOf = ({ daemon }: FedDaemon, direction: Direction) =>
  direction === 'output' ? daemon.outputCard : daemon.inputCard;

async function replugAll(
  daemons: readonly FedDaemon[],
  direction: Direction,
  { goneSeconds }: RecoveryPlan,
): Promise<Recovery> {
  process.stderr.write(`recovery: replug of the ${direction} card after ${goneSeconds} s\n`);
  for (const each of daemons) await cardOf(each, direction).control('unplug');
  await pause(goneSeconds * 1000);
  const backMs: number[] = [];
  for (const each of daemons) {
    backMs.push(await soundIsBackMs[direction](each.daemon));
    each.play();
  }
  return { what: 'replug', direction, goneSeconds, backMs, connects: 0, refused: 0 };
}

async function killAll(daemons: readonly FedDaemon[], direction: Direction): Promise<Recovery> {
  process.stderr.write(`recovery: kill -9 of the ${direction} pipeline\n`);
  const result: Recovery = {
    ...{ what: 'kill', direction, goneSeconds: 0 },
    ...{ backMs: [], connects: 0, refused: 0 },
  };
  for (const { daemon } of daemons) {
    const { backMs, connects, refused } = await killOne(daemon, direction);
    result.backMs.push(backMs);
    result.connects += connects;
    result.refused += refused;
  }
  return result;
}

async function killOne(daemon: TestDaemon, direction: Direction) {
  const pid = (await daemon.status())[direction].pid ?? 0;
  const recording = await PcmRecording.start(daemon.outputCard, join(daemon.folder, 'back.raw'));
  try {
    await pause(steadyMs);
    const atMs = monotonicMs();
    process.kill(pid, 'SIGKILL');
    const knocked = await knock(socketPath(daemon.runtimeFolder, direction), steadyMs);
    await pause(steadyMs);
    const status = await daemon.outputCard.status();
    const pcm = await recording.stop();
    const heard = cardTime(status);
    const frameAt = (ms: number): number => Math.round(heard.frameAt(ms) - recording.startFrames);
    let backMs = 0;
    for (const gap of silences(pcm, frameAt(atMs), pcm.length / 2, gapFramesMin)) {
      if (gap.from > frameAt(atMs + backMs + backForMs)) break;
      backMs = heard.msAt(recording.startFrames + gap.until) - atMs;
    }
    return { backMs, ...knocked };
  } finally {
    await recording.abandon();
  }
}

/** Connects again and again, as any client might just then. */
async function knock(path: string, ms: number): Promise<{ connects: number; refused: number }> {
  const untilMs = monotonicMs() + ms;
  let [connects, refused] = [0, 0];
  while (monotonicMs() < untilMs) {
    connects += 1;
    const connected = await new Promise<boolean>((resolve) => {
      const socket = net.connect(path);
      socket.once('error', () => resolve(false));
      socket.once('connect', () => {
        socket.destroy();
        resolve(true);
      });
    });
    if (!connected) refused += 1;
    await pause(connectEveryMs);
  }
  return { connects, refused };
}
