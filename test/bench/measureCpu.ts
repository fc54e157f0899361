import { execFileSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
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
  /** From the start of the sound on, of the program, and of whoever runs beside it. */
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
 * As the device has it: one core, and nothing beside the subject but who plays to it. The program
 * and the yardstick take turns, each started anew.
 *
 * @throws where one of them did not play all the time.
 */
export async function measureCpuAlone(plan: CpuPlan): Promise<CpuSeries> {
  const { pairs, warmUpSeconds, seconds } = plan;
  const core = availableParallelism() - 1;
  const series = { how: 'alone on one core', when: timesOf(plan), pairs: [] as CpuPair[] };
  note(series, pairs);
  for (let i = 0; i < pairs; i++) {
    series.pairs.push({
      ours: await measureOne('kvm-audio', core, warmUpSeconds, seconds),
      yardstick: await measureOne('yardstick', core, undefined, seconds),
    });
  }
  return series;
}

async function measureOne(
  name: SubjectName,
  core: number,
  warmUpSeconds: number | undefined,
  seconds: number,
): Promise<Record<string, number>> {
  const [percent = {}] = await withSubjects([name], async (subjects) => {
    for (const pid of Object.values(subjects[0]?.pids ?? {})) keepOnCore(pid, core);
    return measurePlaying(subjects, warmUpSeconds ?? subjects[0]?.warmUpSeconds ?? 0, seconds);
  });
  return percent;
}

/** All threads that it has, and those that they start. */
function keepOnCore(pid: number, core: number): void {
  execFileSync('taskset', ['--all-tasks', '--cpu-list', '--pid', String(core), String(pid)], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
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
  const when = timesOf(plan);
  const how = `${pairs} of each on all cores`;
  note({ how, when }, pairs);
  const names = Array.from({ length: pairs }, () => ['kvm-audio', 'yardstick'] as const).flat();
  const percents = await withSubjects(names, (subjects) =>
    measurePlaying(subjects, warmUpSeconds, seconds),
  );
  const at = (index: number): Record<string, number> => percents[index] ?? {};
  return {
    how,
    when,
    pairs: Array.from({ length: pairs }, (_, i) => ({
      ours: at(2 * i),
      yardstick: at(2 * i + 1),
    })),
  };
}

function timesOf({ warmUpSeconds, seconds }: CpuPlan): string {
  return `over ${seconds.toFixed(0)} s after ${warmUpSeconds.toFixed(0)}`;
}

function note({ how, when }: Omit<CpuSeries, 'pairs'>, pairs: number): void {
  process.stderr.write(`medium: CPU, kvm-audio and yardstick, ${how}, ${when}, ${pairs} pairs\n`);
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
