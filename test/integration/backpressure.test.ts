import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { limits, socketPath } from '@kvm-audio/protocol';
import { inRepository } from '../helpers/repository.js';
import { TestDaemon } from '../helpers/TestDaemon.js';
import { TestProcess } from '../helpers/TestProcess.js';
import { waitFor } from '../helpers/waitFor.js';

type Heard = {
  missing: number;
  disconnected: number;
  medianDelayUs: number;
  seqs: number[];
  packets: [capturedUs: number, receivedUs: number][];
};

const frameMs = 20;
const stoppedMs = 3_000;

function nowUs(): number {
  return Number(process.hrtime.bigint() / 1000n);
}

function privateKb(pid: number): number {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  return Number(/^Private_Dirty:\s+(\d+) kB/m.exec(text)?.[1]);
}

describe('a client that stands still', () => {
  let daemon: TestDaemon;
  const listeners: TestProcess[] = [];
  beforeEach(async () => {
    daemon = await TestDaemon.start();
  });
  afterEach(async () => {
    for (const listener of listeners.splice(0)) await listener.stop('SIGKILL');
    await daemon.discard();
  });

  async function listen(connections: number): Promise<TestProcess> {
    const script = inRepository('test/helpers/countingListener.mjs');
    const path = socketPath(daemon.runtimeFolder, 'input');
    const args = [script, path, String(connections)];
    const listener = new TestProcess('listener', process.execPath, args, daemon.env);
    listeners.push(listener);
    await waitFor('first packets', () => {
      listener.assertRunning();
      return listener.output.includes('ready');
    });
    return listener;
  }

  async function heardBy(listener: TestProcess): Promise<Heard[]> {
    await listener.stop();
    return JSON.parse(listener.output.trim().split('\n').at(-1) ?? '');
  }

  it('for 3 s hears at most 250 ms of old audio, and 63 others lose nothing', async () => {
    const others = await listen(63);
    const stopped = await listen(1);
    const pid = (await daemon.status()).input.pid as number;
    await pause(1_000);
    const memoryBefore = privateKb(pid);
    process.kill(stopped.pid, 'SIGSTOP');
    await pause(stoppedMs);
    const memoryAfter = privateKb(pid);
    const goesOnUs = nowUs();
    process.kill(stopped.pid, 'SIGCONT');
    await pause(1_000);
    const { input } = await daemon.status();
    await waitFor('end of the loss in the log', () => daemon.log.includes('keeps up again'));
    const [late] = (await heardBy(stopped)) as [Heard];
    const rest = await heardBy(others);

    const old = late.packets.filter(
      ([capturedUs, receivedUs]) =>
        receivedUs >= goesOnUs && capturedUs < goesOnUs - frameMs * 1000,
    );
    expect(old.length * frameMs).toBeLessThanOrEqual(250);
    // What it did not hear it sees: one gap, of about the time for which it was stopped.
    expect(late.disconnected).toBe(0);
    expect(late.missing * frameMs).toBeGreaterThan(stoppedMs - 400);
    const steps = late.seqs.slice(1).map((seq, i) => seq - (late.seqs[i] ?? 0));
    expect(Math.max(...steps) - 1).toBe(late.missing);
    const lostByOthers = rest.reduce((sum, { missing }) => sum + missing, 0);
    expect(input.stream?.drops.send_queue_full).toBe(late.missing + lostByOthers);

    const said = daemon.log.split('\n').filter((line) => /too slow|keeps up/.test(line));
    expect(said.map((line) => JSON.parse(line))).toMatchObject([
      { level: 40, client: 'test 0', msg: 'listener is too slow: it loses packets' },
      { level: 30, client: 'test 0', msg: 'listener keeps up again', lost: late.missing },
    ]);

    expect(rest).toHaveLength(63);
    for (const { missing, disconnected } of rest) {
      expect({ missing, disconnected }).toEqual({ missing: 0, disconnected: 0 });
    }
    expect(memoryAfter - memoryBefore).toBeLessThan(2_000);
    await daemon.stop();
  });

  it(`for ${limits.slowConsumerMs} ms is disconnected, and comes back by itself`, async () => {
    const stopped = await listen(1);
    await daemon.waitForStatus('client', ({ input }) => input.stream?.clients === 1);
    process.kill(stopped.pid, 'SIGSTOP');
    await daemon.waitForStatus('disconnected client', ({ input }) => input.stream?.clients === 0);
    expect(daemon.log).toMatch(/"client":"test 0".*too slow[\s\S]*SLOW_CONSUMER/);
    process.kill(stopped.pid, 'SIGCONT');
    await daemon.waitForStatus('client that is back', ({ input }) => input.stream?.clients === 1);
    const [heard] = (await heardBy(stopped)) as [Heard];
    expect(heard.disconnected).toBe(1);
    await daemon.stop();
  });
});
