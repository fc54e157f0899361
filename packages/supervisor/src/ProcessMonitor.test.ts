import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { machine } from '@kvm-audio/native-alsa/sys';
import { TestProcess } from '../../../test/helpers/TestProcess.js';
import { waitFor } from '../../../test/helpers/waitFor.js';
import { ProcessMonitor } from './ProcessMonitor.js';
import { type ProcessStat, ProcessStatFile, parseProcessStat } from './ProcessStatFile.js';

const running: TestProcess[] = [];

function start(command: string, args: readonly string[]): TestProcess {
  const child = new TestProcess(command, command, args, process.env);
  running.push(child);
  return child;
}

/** A process that says `ready`, and `done` when the code after SIGUSR2 has run. */
async function startNode(before: string, onSignal = ''): Promise<TestProcess> {
  const script = `${before}
    process.on('SIGUSR2', () => { ${onSignal}; process.stdout.write('done'); });
    setInterval(() => {}, 1_000_000);
    process.stdout.write('ready');`;
  const child = start(process.execPath, ['-e', script]);
  await says(child, 'ready');
  return child;
}

const says = (child: TestProcess, text: string): Promise<boolean> =>
  waitFor(text, () => {
    child.assertRunning();
    return child.output.includes(text);
  });

afterEach(async () => {
  for (const child of running.splice(0)) if (child.running) await child.stop('SIGKILL');
});

describe('the monitor', () => {
  test('says how much of a core a process took between two looks', async () => {
    const burn = `const begin = process.cpuUsage();
      for (;;) {
        const { user, system } = process.cpuUsage(begin);
        if (user + system >= 1_000_000) break;
      }`;
    const burner = await startNode('', burn);
    const sleeper = await startNode('');
    const monitor = new ProcessMonitor(() => [burner.pid, sleeper.pid]);
    monitor.sample(50_000);
    expect(monitor.usageOf(burner.pid)?.cpuPercent).toBeNull();
    process.kill(burner.pid, 'SIGUSR2');
    await says(burner, 'done');
    monitor.sample(60_000);
    // One second of ten, and what its other threads did.
    const percent = monitor.usageOf(burner.pid)?.cpuPercent ?? 0;
    expect(percent).toBeGreaterThanOrEqual(9.8);
    expect(percent).toBeLessThan(15);
    expect(monitor.usageOf(sleeper.pid)?.cpuPercent).toBeLessThan(5);
  });

  test('says how much memory a process holds', async () => {
    const heldBytes = 100 * 2 ** 20;
    const holder = await startNode('', `globalThis.held = Buffer.alloc(${heldBytes}, 1)`);
    const monitor = new ProcessMonitor(() => [holder.pid]);
    monitor.sample(0);
    const before = monitor.usageOf(holder.pid)?.residentBytes ?? 0;
    expect(before).toBeGreaterThan(2 ** 20);
    process.kill(holder.pid, 'SIGUSR2');
    await says(holder, 'done');
    monitor.sample(1_000);
    const usage = monitor.usageOf(holder.pid);
    expect((usage?.residentBytes ?? 0) - before).toBeGreaterThan(0.9 * heldBytes);
    expect(usage?.memoryPercent).toBeCloseTo(
      (100 * (usage?.residentBytes ?? 0)) / machine().memoryBytes,
    );
  });

  test('forgets a process that is gone, and knows another that came', async () => {
    const [first, second] = [await startNode(''), await startNode('')];
    let pids = [first.pid];
    const monitor = new ProcessMonitor(() => pids);
    monitor.sample(0);
    expect(monitor.usageOf(first.pid)).not.toBeNull();
    expect(monitor.usageOf(second.pid)).toBeNull();
    pids = [first.pid, second.pid];
    await first.stop('SIGKILL');
    monitor.sample(1_000);
    expect(monitor.usageOf(first.pid)).toBeNull();
    expect(monitor.usageOf(second.pid)?.cpuPercent).toBeNull();
    expect(monitor.usageOf(null)).toBeNull();
  });

  test('begins anew where an id went to another process', () => {
    const { ticksPerSecond } = machine();
    let stat: ProcessStat | undefined = { cpuTicks: 5 * ticksPerSecond, residentPages: 1 };
    const calls: string[] = [];
    const monitor = new ProcessMonitor(
      () => [5],
      (pid) => {
        calls.push(`open ${pid}`);
        return { read: () => stat, close: () => calls.push(`close ${pid}`) };
      },
    );
    monitor.sample(0);
    stat = { cpuTicks: 5.5 * ticksPerSecond, residentPages: 1 };
    monitor.sample(1_000);
    expect(monitor.usageOf(5)?.cpuPercent).toBe(50);
    stat = undefined; // what a file of a process that has ended gives
    monitor.sample(2_000);
    expect(monitor.usageOf(5)).toBeNull();
    stat = { cpuTicks: 0, residentPages: 1 };
    monitor.sample(3_000);
    expect(monitor.usageOf(5)?.cpuPercent).toBeNull();
    monitor.stop();
    expect(calls).toEqual(['open 5', 'close 5', 'open 5', 'close 5']);
  });

  test('looks by itself once it is started, until it is stopped', () => {
    jest.useFakeTimers();
    try {
      let looks = 0;
      const open = () => ({
        read: (): undefined => {
          looks += 1;
        },
        close: () => undefined,
      });
      const monitor = new ProcessMonitor(() => [process.pid], open);
      monitor.start();
      jest.advanceTimersByTime(3_000);
      expect(looks).toBe(4);
      monitor.stop();
      jest.advanceTimersByTime(3_000);
      expect(looks).toBe(4);
    } finally {
      jest.useRealTimers();
    }
  });
});

describe('what the kernel tells of a process', () => {
  test('is read also where its name looks like the fields behind it', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'ka-'));
    try {
      const path = join(folder, ') R 1 ( )');
      symlinkSync('/bin/sleep', path);
      const odd = start(path, ['1000']);
      const [mine, its] = [new ProcessStatFile(process.pid), new ProcessStatFile(odd.pid)];
      const stat = await waitFor('a program in memory', () => {
        const now = its.read();
        return (now?.residentPages ?? 0) > 0 && now;
      });
      expect(readFileSync(`/proc/${odd.pid}/comm`, 'utf8')).toBe(') R 1 ( )\n');
      expect(stat?.residentPages).toBeLessThan(mine.read()?.residentPages ?? 0);
      for (const file of [mine, its]) file.close();
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('is taken from the fields of the manual', () => {
    const fields = Array.from({ length: 50 }, (_, i) => String(100 + i));
    const text = `7 (a) (b) S ${fields.join(' ')}\n`;
    // The first of these is field 4.
    expect(parseProcessStat(text)).toEqual({
      cpuTicks: 110 + 111,
      residentPages: 120,
    });
  });

  test.each([
    ['nothing', ''],
    ['a line that was cut', '7 (a) S 1 2 3'],
    ['no number', `7 (a) S ${'x '.repeat(50)}`],
  ])('is nothing where it is %s', (_what, text) => {
    expect(parseProcessStat(text)).toBeUndefined();
  });

  test('is nothing where the process has ended', async () => {
    const child = await startNode('');
    const file = new ProcessStatFile(child.pid);
    expect(file.read()?.residentPages).toBeGreaterThan(0);
    await child.stop('SIGKILL');
    expect(file.read()).toBeUndefined();
    file.close();
    expect(() => new ProcessStatFile(child.pid)).toThrow('ENOENT');
  });
});
