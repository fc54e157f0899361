import { readdirSync, readFileSync } from 'node:fs';

/**
 * CPU time of a process so far, all threads, in milliseconds. From the scheduler's own count in
 * nanoseconds: the ticks of /proc/PID/stat are too coarse for a process at 1 %.
 */
export function cpuMs(pid: number): number {
  const tasks = readdirSync(`/proc/${pid}/task`);
  const nanoseconds = tasks.map((task) =>
    Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]),
  );
  return nanoseconds.reduce((sum, value) => sum + value, 0) / 1e6;
}

/** Private memory is the process's alone, shared memory is in others too, as a program's text. */
export type Memory = { pssMb: number; privateDirtyMb: number; privateMb: number; sharedMb: number };

export function memory(pid: number): Memory {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const megabytes = (key: string): number =>
    Number(new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? Number.NaN) / 1024;
  const privateDirtyMb = megabytes('Private_Dirty');
  return {
    pssMb: megabytes('Pss'),
    privateDirtyMb,
    privateMb: privateDirtyMb + megabytes('Private_Clean'),
    sharedMb: megabytes('Shared_Clean') + megabytes('Shared_Dirty'),
  };
}
