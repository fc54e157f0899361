import { setTimeout as pause } from 'node:timers/promises';
import { playTrack } from './playTrack.js';
import { cpuPercent, cpuTimes } from './processUsage.js';
import { type Subject, startSubject } from './Subject.js';
import { settingOf } from './settings.js';

export type CpuPlan = {
  rounds: number;
  seconds: number;
  /** Overrides the subjects' own. */
  warmUpSeconds?: number;
};

/** Of each process, in percent of one core, over the same seconds. */
export type CpuRound = { ours: Record<string, number>; yardstick: Record<string, number> };

/** The player's end is not waited for. */
const spareSeconds = 10;

/**
 * The program and the yardstick at a time, each on cards of its own: what the machine has less of at
 * one time than at another it has less of for both. New processes each round, for where their memory
 * comes to lie makes a difference of several percent.
 */
export async function measureCpu(plan: CpuPlan): Promise<CpuRound[]> {
  const rounds: CpuRound[] = [];
  while (rounds.length < plan.rounds) rounds.push(await measureRound(plan));
  return rounds;
}

async function measureRound({ seconds, warmUpSeconds }: CpuPlan): Promise<CpuRound> {
  process.stderr.write(`medium: kvm-audio and yardstick at a time, ${seconds} s\n`);
  const started: Subject[] = [];
  const start = async (name: 'kvm-audio' | 'yardstick'): Promise<Subject> => {
    const subject = await startSubject(name, settingOf('medium'));
    started.push(subject);
    return subject;
  };
  try {
    const ours = await start('kvm-audio');
    const yardstick = await start('yardstick');
    const warmUp = warmUpSeconds ?? Math.max(ours.warmUpSeconds, yardstick.warmUpSeconds);
    const players = started.map((subject) => playTrack(subject, warmUp + seconds + spareSeconds));
    try {
      await pause(warmUp * 1000);
      const before = started.map(({ pids }) => cpuTimes(pids));
      await pause(seconds * 1000);
      const after = started.map(({ pids }) => cpuTimes(pids));
      for (const player of players) player.assertRunning();
      const [own = {}, theirs = {}] = after.map((times, i) =>
        cpuPercent(before[i] ?? times, times),
      );
      return { ours: own, yardstick: theirs };
    } finally {
      for (const player of players) if (player.running) await player.stop('SIGKILL');
    }
  } finally {
    for (const subject of started) await subject.stop();
  }
}
