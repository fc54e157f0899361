import { loadAddon } from './sys/addon.js';
import { checked, systemError } from './sys/systemError.js';

export { type SystemError, systemError } from './sys/systemError.js';
export { listenUnix, UnixListener } from './sys/UnixListener.js';
export { UnixSocket, type UnixSocketEvents } from './sys/UnixSocket.js';

/** The process at the other end of a Unix socket, as it was when it connected (SO_PEERCRED). */
export type Peer = {
  pid: number;
  uid: number;
  gid: number;
  /** Supplementary groups (SO_PEERGROUPS). */
  groups: readonly number[];
};

/** @throws SystemError where `fd` is no connected Unix socket. */
export function peerOf(fd: number): Peer {
  const peer = loadAddon().peer(fd);
  if (typeof peer === 'number') throw systemError('getsockopt SO_PEERCRED', peer);
  return peer;
}

/** Two connected Unix stream sockets. @throws SystemError EMFILE … */
export function socketPair(): [number, number] {
  const pair = loadAddon().socketPair();
  if (typeof pair === 'number') throw systemError('socketpair', pair);
  return pair;
}

/** Another descriptor for the same file or socket. @throws SystemError EBADF, EMFILE */
export function duplicateFd(fd: number): number {
  return checked('dup', loadAddon().duplicate(fd));
}

/**
 * Takes an exclusive lock (man 2 flock) that lasts as long as the descriptor, however the process
 * ends.
 * @returns undefined where another process has it.
 * @throws SystemError ENOENT, EACCES …
 */
export function lockFile(path: string): number | undefined {
  const fd = loadAddon().lock(path);
  if (fd >= 0) return fd;
  const error = systemError('flock', fd, path);
  if (error.code === 'EAGAIN') return undefined;
  throw error;
}

/**
 * From now on the kernel sends `signal` to this process when the thread that spawned it ends (man 2
 * PR_SET_PDEATHSIG). @returns the parent's id: another than expected means that it is dead already.
 */
export function endWithParent(signal: number): number {
  return checked('prctl', loadAddon().endWithParent(signal));
}

/**
 * User and system time of all threads of a process so far, in milliseconds, as exactly as the
 * scheduler counts it (man 3 clock_getcpuclockid): /proc/PID/stat has ticks of 10 ms.
 * @throws SystemError ESRCH where there is no such process.
 */
export function processCpuMs(pid: number): number {
  const ms = loadAddon().processCpuMs(pid);
  return ms < 0 ? checked('clock_getcpuclockid', ms) : ms;
}

/** What /proc counts memory in, and how much there is (man 3 sysconf). */
export type Machine = {
  pageBytes: number;
  memoryBytes: number;
};

export function machine(): Machine {
  return loadAddon().machine();
}

/**
 * Gives back the memory of the program's own code and constants, within seconds: Node's start and the
 * compiler touch some 40 MB of them, what runs later half of that, and the kernel maps that again
 * where it is used. Nothing is lost; no page is written. What was freed of the heap goes too.
 * @throws SystemError EAGAIN where there is no thread for it.
 */
export function unmapUnused(): void {
  checked('pthread_create', loadAddon().unmapUnused());
}
