import { machine } from '@kvm-audio/native-alsa/sys';
import { TestProcess } from '../../../test/helpers/TestProcess.js';
import { waitFor } from '../../../test/helpers/waitFor.js';
import { ProcessFigures, type ProcessTaken, parseResidentPages } from './ProcessFigures.js';
import { ProcessMonitor } from './ProcessMonitor.js';

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

  test('tells no CPU of a moment, such as that of a start', async () => {
    const started = await startNode('');
    const monitor = new ProcessMonitor(() => [started.pid]);
    monitor.look(started.pid, 0);
    monitor.sample(499);
    expect(monitor.usageOf(started.pid)?.cpuPercent).toBeNull();
    monitor.sample(500);
    expect(monitor.usageOf(started.pid)?.cpuPercent).toBeGreaterThanOrEqual(0);
  });

  test('forgets a process that is gone, and knows another that came', async () => {
    const [first, second] = [await startNode(''), await startNode('')];
    let pids = [first.pid];
    const monitor = new ProcessMonitor(() => pids);
    monitor.sample(0);
    expect(monitor.usageOf(first.pid)).not.toBeNull();
    expect(monitor.usageOf(second.pid)).toBeNull();
    monitor.look(second.pid, 500);
    expect(monitor.usageOf(second.pid)?.residentBytes).toBeGreaterThan(0);
    pids = [first.pid, second.pid];
    await first.stop('SIGKILL');
    monitor.sample(1_000);
    expect(monitor.usageOf(first.pid)).toBeNull();
    expect(monitor.usageOf(second.pid)?.cpuPercent).toBeGreaterThanOrEqual(0);
    expect(monitor.usageOf(null)).toBeNull();
  });

  test('begins anew where an id went to another process', () => {
    let taken: ProcessTaken | undefined = { cpuMs: 5_000, residentPages: 1 };
    const calls: string[] = [];
    const monitor = new ProcessMonitor(
      () => [5],
      (pid) => {
        calls.push(`open ${pid}`);
        return { read: () => taken, close: () => calls.push(`close ${pid}`) };
      },
    );
    monitor.sample(0);
    taken = { cpuMs: 5_500, residentPages: 1 };
    monitor.sample(1_000);
    expect(monitor.usageOf(5)?.cpuPercent).toBe(50);
    taken = undefined; // what a file of a process that has ended gives
    monitor.sample(2_000);
    expect(monitor.usageOf(5)).toBeNull();
    taken = { cpuMs: 0, residentPages: 1 };
    monitor.sample(3_000);
    expect(monitor.usageOf(5)?.cpuPercent).toBeNull();
    monitor.stop();
    expect(monitor.usageOf(5)).toBeNull();
    expect(calls).toEqual(['open 5', 'close 5', 'open 5', 'close 5']);
  });
});

describe('what the kernel tells of a process', () => {
  test('is its CPU time as it counts it itself, finer than a tick, and its memory', async () => {
    const burner = await startNode(
      '',
      `for (let i = 0; i < 1e6; i++) Math.sqrt(i);
      const { user, system } = process.cpuUsage();
      process.stdout.write('took ' + (user + system) + ' us ');`,
    );
    const figures = new ProcessFigures(burner.pid);
    const beforeMs = figures.read()?.cpuMs ?? Number.NaN;
    process.kill(burner.pid, 'SIGUSR2');
    await says(burner, 'done');
    const { cpuMs, residentPages } = figures.read() as ProcessTaken;
    const itselfMs = Number(/took (\d+) us/.exec(burner.output)?.[1]) / 1_000;
    expect(itselfMs).toBeGreaterThan(beforeMs);
    expect(cpuMs).toBeGreaterThanOrEqual(itselfMs - 0.1);
    expect(cpuMs % 10).not.toBe(0);
    expect(residentPages * machine().pageBytes).toBeGreaterThan(10 * 2 ** 20);
    figures.close();
  });

  test('is taken from the second number', () => {
    expect(parseResidentPages('7 12 3 4 0 5 0\n')).toBe(12);
  });

  test.each([
    ['nothing', ''],
    ['a line that was cut', '7'],
    ['no number', 'x x'],
  ])('is nothing where it is %s', (_what, text) => {
    expect(parseResidentPages(text)).toBeUndefined();
  });

  test('is nothing where the process has ended', async () => {
    const child = await startNode('');
    const figures = new ProcessFigures(child.pid);
    expect(figures.read()?.residentPages).toBeGreaterThan(0);
    await child.stop('SIGKILL');
    expect(figures.read()).toBeUndefined();
    figures.close();
    expect(() => new ProcessFigures(child.pid)).toThrow('ENOENT');
  });
});
