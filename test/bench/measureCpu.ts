import { setTimeout as pause } from 'node:timers/promises';
import { playOn } from '../helpers/PcmRecording.js';
import type { TestProcess } from '../helpers/TestProcess.js';
import { rate } from './chirps.js';
import { makeTrack } from './playTrack.js';
import { cpuPercent, cpuTimes } from './processUsage.js';
import { type Subject, startSubject } from './Subject.js';
import { settingOf } from './settings.js';

export type CpuPlan = {
  pairs: number;
  /** From the start of the sound on. */
  warmUpSeconds: number;
  seconds: number;
};

/** Of each process, in percent of one core, over the same seconds. */
export type CpuPair = { ours: Record<string, number>; yardstick: Record<string, number> };

const names = ['kvm-audio', 'yardstick'] as const;
/** The player's end is not waited for. */
const spareSeconds = 10;
/** A subject that plays less of the time than this stood still, and was cheap. */
const playedMin = 0.98;

/**
 * The program and the yardstick, some pairs of them at a time, each on cards of its own: what the
 * machine has less of at one time than at another it has less of for all. Where the memory of a
 * process comes to lie, and what ran on its core just before each frame, makes a difference of a
 * fifth for as long as it runs, so there are pairs.
 *
 * @throws where one of them did not play all the time.
 */
export async function measureCpu({ pairs, warmUpSeconds, seconds }: CpuPlan): Promise<CpuPair[]> {
  const time = `${seconds.toFixed(0)} s after ${warmUpSeconds.toFixed(0)}`;
  process.stderr.write(`medium: kvm-audio and yardstick, ${pairs} of each at a time, ${time}\n`);
  const subjects: Subject[] = [];
  const players: TestProcess[] = [];
  try {
    for (let i = 0; i < pairs * names.length; i++) {
      subjects.push(await startSubject(names[i % 2 ? 1 : 0], settingOf('medium')));
    }
    const folder = subjects[0]?.folder ?? '';
    const track = makeTrack(folder, warmUpSeconds + seconds + spareSeconds);
    for (const { inputCard } of subjects) players.push(playOn(inputCard, track));
    await pause(warmUpSeconds * 1000);
    const percents = await measure(subjects, seconds);
    for (const player of players) player.assertRunning();
    return Array.from({ length: pairs }, (_, i) => ({
      ours: percents[2 * i] ?? {},
      yardstick: percents[2 * i + 1] ?? {},
    }));
  } finally {
    await stopAll([...players.filter(({ running }) => running), ...subjects]);
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
