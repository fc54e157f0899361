import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { constants } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { type DaemonStatus, directions } from '@kvm-audio/client';
import { limits } from '@kvm-audio/protocol';
import { TestDaemon } from '../helpers/TestDaemon.js';
import { waitFor } from '../helpers/waitFor.js';

/** A zombie counts as ended: nobody waits for it where its parent was killed. */
function isRunning(pid: number): boolean {
  if (!existsSync(`/proc/${pid}/stat`)) return false;
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return !/^ [ZX]/.test(stat.slice(stat.lastIndexOf(')') + 1));
  } catch {
    return false;
  }
}

/** Whether a signal was sent to it that it has not met yet. */
function isPending(pid: number, signal: number): boolean {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const masks = [...status.matchAll(/^S(?:hd|ig)Pnd:\t([0-9a-f]+)$/gm)];
  return masks.some(([, mask]) => (BigInt(`0x${mask}`) >> BigInt(signal - 1)) & 1n);
}

/** Whether it has a TCP socket, of IPv4, such as Node's debugger listens on. */
function hasTcpSocket(pid: number): boolean {
  const inodes = readFileSync(`/proc/${pid}/net/tcp`, 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/ +/)[9]);
  return readdirSync(`/proc/${pid}/fd`)
    .map((fd) => /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1])
    .some((inode) => inode !== undefined && inodes.includes(inode));
}

describe('the supervisor', () => {
  let daemon: TestDaemon;

  beforeEach(async () => {
    daemon = await TestDaemon.start();
  });

  afterEach(() => daemon.discard());

  it.each(directions)(
    'starts the %s pipeline again after kill -9, and says so',
    async (direction) => {
      const { pid, downMs } = (await daemon.status())[direction];
      expect(downMs).toBe(0);
      const killedAtMs = performance.now();
      const killedAtWallMs = Date.now();
      process.kill(pid as number, 'SIGKILL');
      const status = await daemon.waitForStatus('restart', (now) => now[direction].restarts === 1);
      expect(status[direction].lastExit).toBe('killed by SIGKILL');
      expect(Math.abs((status[direction].lastExitAtMs ?? 0) - killedAtWallMs)).toBeLessThan(60_000);
      const again = await daemon.waitForStatus(
        'running pipeline',
        (now) => now[direction].state === 'running',
      );
      const seenAgainMs = Math.ceil(performance.now() - killedAtMs);
      expect(again[direction].pid).not.toBe(pid);
      expect(again[direction].downMs).toBeGreaterThan(0);
      expect(again[direction].downMs).toBeLessThanOrEqual(seenAgainMs);
      const other = direction === 'input' ? 'output' : 'input';
      expect(again[other]).toMatchObject({ restarts: 0, downMs: 0 });
      expect((await daemon.status())[direction].downMs).toBe(again[direction].downMs);
      await daemon.stop();
    },
  );

  it('waits longer before each further restart', async () => {
    for (let death = 1; death <= 3; death++) {
      const { input } = await daemon.waitForStatus('running', (s) => s.input.state === 'running');
      process.kill(input.pid as number, 'SIGKILL');
      await daemon.waitForStatus('death', (s) => s.input.pid !== input.pid);
    }
    await daemon.waitForStatus('running', (s) => s.input.state === 'running');
    const delays = [...daemon.log.matchAll(/"delayMs":(\d+)/g)].map(([, ms]) => Number(ms));
    expect(delays).toHaveLength(3);
    delays.forEach((delayMs, n) => {
      expect(delayMs).toBeGreaterThanOrEqual(0.9 * 200 * 2 ** n);
      expect(delayMs).toBeLessThanOrEqual(1.1 * 200 * 2 ** n);
    });
    await daemon.stop();
  });

  it('replaces a pipeline that is stopped and sends no heartbeat', async () => {
    const { pid } = (await daemon.status()).output;
    process.kill(pid as number, 'SIGSTOP');
    // It is seen for a second before it is ended; a slow look comes too late for that.
    const silent = await daemon.waitForStatus(
      'old report',
      ({ output }) => (output.reportAgeMs ?? 0) > 3_000 || output.pid !== pid,
    );
    if (silent.output.pid === pid) {
      expect(silent.output.state).toBe('running');
      expect(silent.input.reportAgeMs).toBeLessThan(3_000);
    }
    const asked = daemon.call('quality.get', { direction: 'output' });
    const told = await asked.then(String, (error: Error) => error.message);
    if (silent.output.pid === pid) {
      expect(told).toMatch(/ it hangs \(no heartbeat for 4.5 s\) and is being ended$/);
    }
    const status = await daemon.waitForStatus('restart', (now) => now.output.restarts === 1);
    expect(status.output.lastExit).toBe(
      'killed by the supervisor (SIGKILL): no heartbeat for 4.5 s',
    );
    // It is told to end and, as it cannot hear that, is killed two seconds later.
    expect(status.output.downMs).toBeGreaterThan(1_900);
    await daemon.waitForStatus('running', (now) => now.output.state === 'running');
    await daemon.stop();
  });

  it('ends no pipeline that was stopped with all of the daemon, and goes on with it', async () => {
    const { pid, output, input } = await daemon.status();
    const pids = [pid, output.pid as number, input.pid as number];
    for (const each of pids) process.kill(each, 'SIGSTOP');
    await pause(5_000); // longer than one may be silent
    for (const each of pids) process.kill(each, 'SIGCONT');
    // Whoever is to be ended is known to be by then.
    await pause(1_000);
    const after = await daemon.waitForStatus(
      'figures of both',
      (now) => (now.output.reportAgeMs ?? 9e9) < 1_000 && (now.input.reportAgeMs ?? 9e9) < 1_000,
    );
    expect([after.output.restarts, after.input.restarts]).toEqual([0, 0]);
    expect([after.output.pid, after.input.pid]).toEqual(pids.slice(1));
    await daemon.stop();
  });

  it('lets a pipeline start as slowly as the machine is', async () => {
    const { pid } = (await daemon.status()).output;
    process.kill(pid as number, 'SIGKILL');
    const isNew = ({ output }: DaemonStatus): boolean =>
      output.state === 'starting' && output.pid !== pid;
    const seen = await daemon.waitForStatus('new process', isNew);
    const starting = seen.output.pid as number;
    process.kill(starting, 'SIGSTOP');
    const stopped = await daemon.status();
    expect(stopped.output).toMatchObject({ state: 'starting', pid: starting });
    // An outage that lasts counts up to now.
    await daemon.waitForStatus(
      'more downtime',
      ({ output }) => output.downMs > stopped.output.downMs,
    );
    const untilMs = stopped.uptimeMs + limits.helloDeadlineMs + 1_000;
    await daemon.waitForStatus('longer than a client may take', (now) => now.uptimeMs > untilMs);
    process.kill(starting, 'SIGCONT');
    const status = await daemon.waitForStatus('end', ({ output }) => output.state !== 'starting');
    expect(status.output).toMatchObject({ state: 'running', pid: starting, restarts: 1 });
    await daemon.stop();
  });

  it('reads all that a pipeline says at its end, also where their channel was full', async () => {
    const { pid, output } = await daemon.status();
    const pipeline = output.pid as number;
    const lines = 40; // the kernel takes some ten
    process.kill(pid, 'SIGSTOP');
    for (let i = 0; i < lines; i++) {
      process.kill(pipeline, 'SIGUSR1');
      await waitFor('delivered signal', () => !isPending(pipeline, constants.signals.SIGUSR1));
    }
    process.kill(pipeline, 'SIGTERM');
    // Then it has said all that it says.
    await waitFor('closed card', async () => !(await daemon.outputCard.status()).playback.open);
    process.kill(pid, 'SIGCONT');
    const status = await daemon.waitForStatus('restart', (now) => now.output.restarts === 1);
    expect(status.output.lastExit).toBe('exit code 0');
    expect(daemon.log.match(/a signal that means nothing/g)).toHaveLength(lines);
    await daemon.stop();
  });

  it('leaves no orphan when it is killed with -9', async () => {
    await daemon.bridge();
    const status = await daemon.status();
    const pids = directions.map((direction) => status[direction].pid as number);
    expect(pids.every(isRunning)).toBe(true);
    await daemon.kill();
    await waitFor('end of both pipelines', () => !pids.some(isRunning));
  });

  it.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)(
    'stops cleanly at %s while audio flows',
    async (signal) => {
      await daemon.bridge();
      await daemon.stop(signal);
    },
  );

  it.each(['SIGUSR1', 'SIGUSR2'] as const)('and its pipelines ignore %s', async (signal) => {
    const before = await daemon.status();
    const pids = [daemon.pid, ...directions.map((direction) => before[direction].pid as number)];
    for (const pid of pids) process.kill(pid, signal);
    const told = (): string[] => daemon.log.split('\n').filter((line) => line.includes(signal));
    await waitFor('line of each', () => told().length >= pids.length || pids.some(hasTcpSocket));
    // A descriptor may go while they are looked through.
    expect(await waitFor('whole look', () => pids.filter(hasTcpSocket))).toEqual([]);
    const names = told().map((line) => JSON.parse(line));
    expect(names).toHaveLength(pids.length);
    for (const name of ['daemon', ...directions]) {
      expect(names).toContainEqual(expect.objectContaining({ level: 30, name, signal }));
    }
    await daemon.stop();
  });
});
