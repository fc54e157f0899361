import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** Those that this process may run on, as `taskset` takes them, such as `0-1`. */
export function allowedCores(): string {
  const status = readFileSync('/proc/self/status', 'utf8');
  return /^Cpus_allowed_list:\s+(\S+)/m.exec(status)![1]!;
}

/** A process runs on these alone, with all threads that it has and starts. */
export function keepOnCores(pid: number, cores: string): void {
  execFileSync('taskset', ['-a', '-c', '-p', cores, String(pid)]);
}
