import { setTimeout as pause } from 'node:timers/promises';
import type { TestProcess } from '../helpers/TestProcess.js';
import { rate } from './chirps.js';
import { playTrack } from './playTrack.js';
import { cpuPercent, cpuTimes } from './processUsage.js';
import { type Subject, startSubject } from './Subject.js';
import { settingOf } from './settings.js';

export type CpuPlan = {
  rounds: number;
  seconds: number;
  /** Instead of the subjects' own. */
  warmUpSeconds?: number;
};

/** Of each process, in percent of one core, over the same seconds. */
export type CpuRound = { ours: Record<string, number>; yardstick: Record<string, number> };

/** The player's end is not waited for. */
const spareSeconds = 10;
/** A subject that plays less of the time than this stood still, and was cheap. */
const playedMin = 0.98;

/**
 * The program and the yardstick at a time, each on cards of its own: what the machine has less of
 * at one time than at another it has less of for both.
 *
 * @throws where one of them did not play all the time.
 */
export async function measureCpuRound(plan: CpuPlan): Promise<CpuRound> {
  const { seconds, warmUpSeconds } = plan;
  process.stderr.write(`medium: kvm-audio and yardstick at a time, ${seconds.toFixed(0)} s\n`);
  const subjects: Subject[] = [];
  const players: TestProcess[] = [];
  try {
    for (const name of ['kvm-audio', 'yardstick'] as const) {
      subjects.push(await startSubject(name, settingOf('medium')));
    }
    const warmUp = warmUpSeconds ?? Math.max(...subjects.map((each) => each.warmUpSeconds));
    for (const subject of subjects) {
      players.push(playTrack(subject, warmUp + seconds + spareSeconds));
    }
    await pause(warmUp * 1000);
    const positions = await Promise.all(subjects.map(played));
    const before = subjects.map(({ pids }) => cpuTimes(pids));
    await pause(seconds * 1000);
    const after = subjects.map(({ pids }) => cpuTimes(pids));
    for (const [i, subject] of subjects.entries()) {
      players[i]?.assertRunning();
      const frames = (await played(subject)) - (positions[i] ?? 0);
      if (frames > playedMin * seconds * rate) continue;
      throw new Error(`of ${seconds} s only ${frames} frames were played`);
    }
    const [ours = {}, yardstick = {}] = after.map((times, i) =>
      cpuPercent(before[i] ?? times, times),
    );
    return { ours, yardstick };
  } finally {
    await stopAll([...players.filter(({ running }) => running), ...subjects]);
  }
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
