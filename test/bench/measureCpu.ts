import { setTimeout as pause } from 'node:timers/promises';
import { allowedCores, keepOnCores } from '../helpers/cores.js';
import { playOn } from '../helpers/PcmRecording.js';
import type { TestProcess } from '../helpers/TestProcess.js';
import { rate } from './chirps.js';
import { makeTrack } from './playTrack.js';
import { cpuPercent, cpuTimes } from './processUsage.js';
import { type Subject, type SubjectName, startSubject } from './Subject.js';
import { settingOf } from './settings.js';

export type CpuPlan = {
  /** Pairs at a time, or one after the other. */
  pairs: number;
  /** From the start of the sound on; the yardstick alone has one of its own. */
  warmUpSeconds: number;
  seconds: number;
};

/** Of each process, in percent of one core, over the same seconds. */
export type CpuPair = { ours: Record<string, number>; yardstick: Record<string, number> };

/** Pairs that were measured alike. */
export type CpuSeries = { how: string; when: string; pairs: CpuPair[] };

/** The player's end is not waited for. */
const spareSeconds = 10;
/** A subject that plays less of the time than this stood still, and was cheap. */
const playedMin = 0.98;

/**
 * As the device has it: one daemon on one core, and nothing beside it but who plays to it and the
 * witness. The program and the yardstick take turns, each started anew.
 *
 * @throws where one of them did not play all the time.
 */
export async function measureCpuAlone(plan: CpuPlan): Promise<CpuSeries> {
  const { pairs } = plan;
  const how = 'one daemon on one core';
  note(how, plan);
  const measured: CpuPair[] = [];
  for (let i = 0; i < pairs; i++) {
    const pair: CpuPair = { ours: {}, yardstick: {} };
    const turns = [
      async () => {
        pair.ours = await measureOne('kvm-audio', plan);
      },
      async () => {
        pair.yardstick = await measureOne('yardstick', plan);
      },
    ];
    // What the machine has less of from minute to minute is to favour none of them.
    for (const turn of i % 2 === 0 ? turns : turns.reverse()) await turn();
    measured.push(pair);
  }
  return { how, when: timesOf(plan), pairs: measured };
}

async function measureOne(
  name: SubjectName,
  { warmUpSeconds, seconds }: CpuPlan,
): Promise<Record<string, number>> {
  const [lastCore = '0'] = /\d+$/.exec(allowedCores()) ?? [];
  const [percent = {}] = await withSubjects([name], async (subjects) => {
    const [subject] = subjects;
    for (const pid of Object.values(subject?.pids ?? {})) keepOnCores(pid, lastCore);
    const ownWarmUp = subject?.warmUpSeconds ?? warmUpSeconds;
    return measurePlaying(subjects, Math.min(warmUpSeconds, ownWarmUp), seconds);
  });
  return percent;
}

/**
 * The program and the yardstick, some pairs of them at a time on all cores, each on cards of its
 * own: what the machine has less of at one time than at another it has less of for all. What ran on
 * a core just before a frame makes a difference of a fifth for as long as both run, so there are pairs.
 *
 * @throws where one of them did not play all the time.
 */
export async function measureCpuTogether(plan: CpuPlan): Promise<CpuSeries> {
  const { pairs, warmUpSeconds, seconds } = plan;
  const how = `${pairs} of each on all cores`;
  note(how, plan);
  const names = Array.from({ length: pairs }, () => ['kvm-audio', 'yardstick'] as const).flat();
  const percents = await withSubjects(names, (subjects) =>
    measurePlaying(subjects, warmUpSeconds, seconds),
  );
  const at = (index: number): Record<string, number> => percents[index] ?? {};
  return {
    how,
    when: timesOf(plan),
    pairs: Array.from({ length: pairs }, (_, i) => ({
      ours: at(2 * i),
      yardstick: at(2 * i + 1),
    })),
  };
}

function timesOf({ warmUpSeconds, seconds }: CpuPlan): string {
  return `over ${seconds.toFixed(0)} s after ${warmUpSeconds.toFixed(0)}`;
}

function note(how: string, plan: CpuPlan): void {
  const text = `medium: CPU, kvm-audio and yardstick, ${how}, ${timesOf(plan)}`;
  process.stderr.write(`${text}, ${plan.pairs} pairs\n`);
}

async function withSubjects<T>(
  names: readonly SubjectName[],
  work: (subjects: readonly Subject[]) => Promise<T>,
): Promise<T> {
  const subjects: Subject[] = [];
  try {
    for (const name of names) subjects.push(await startSubject(name, settingOf('medium')));
    return await work(subjects);
  } finally {
    await stopAll(subjects);
  }
}

async function measurePlaying(
  subjects: readonly Subject[],
  warmUpSeconds: number,
  seconds: number,
): Promise<Record<string, number>[]> {
  const players: TestProcess[] = [];
  try {
    const folder = subjects[0]?.folder ?? '';
    const track = makeTrack(folder, warmUpSeconds + seconds + spareSeconds);
    for (const { inputCard } of subjects) players.push(playOn(inputCard, track));
    await pause(warmUpSeconds * 1000);
    const percents = await measure(subjects, seconds);
    for (const player of players) player.assertRunning();
    return percents;
  } finally {
    await stopAll(players.filter(({ running }) => running));
  }
}

async function measure(
  subjects: readonly Subject[],
  seconds: number,
): Promise<Record<string, number>[]> {
  const positions = await Promise.all(subjects.map(played));
  const before = subjects.map(({ pids }) => cpuTimes(pids));
  await pause(seconds * 1000);
  const after = subjects.map(({ pids }) => cpuTimes(pids));
  for (const [i, subject] of subjects.entries()) {
    const frames = (await played(subject)) - (positions[i] ?? 0);
    if (frames > playedMin * seconds * rate) continue;
    throw new Error(`of ${seconds} s only ${frames} frames were played`);
  }
  return after.map((times, i) => cpuPercent(before[i] ?? times, times));
}

/** Frames that its card had from it. */
async function played({ outputCard }: Subject): Promise<number> {
  return (await outputCard.status()).playback.appl;
}

/** All of them, also where one fails. */
async function stopAll(these: readonly (TestProcess | Subject)[]): Promise<void> {
  const ends = await Promise.allSettled(
    these.map((each) => ('pids' in each ? each.stop() : each.stop('SIGKILL'))),
  );
  const failed = ends.find((end) => end.status === 'rejected');
  if (failed) throw failed.reason;
}
