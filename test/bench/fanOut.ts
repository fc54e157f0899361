import { setTimeout as pause } from 'node:timers/promises';
import { socketPath } from '@kvm-audio/client';
import { inRepository } from '../helpers/repository.js';
import { TestDaemon } from '../helpers/TestDaemon.js';
import { TestProcess } from '../helpers/TestProcess.js';
import { waitFor } from '../helpers/waitFor.js';
import { playTrack } from './playTrack.js';
import { cpuPercent, cpuTimes, memory } from './processUsage.js';
import { formatOf, settingOf } from './settings.js';

/** One look at the input pipeline while so many listen. */
export type FanOutLeg = {
  listeners: number;
  /** Of one core. */
  cpuPercent: number;
  privateDirtyMb: number;
  /** After all have stopped reading for longer than their queues are. */
  stalledPrivateDirtyMb: number;
  /** Then: packets that wait, all clients' queues together, and how many ever can. */
  waiting: { packets: number; packetsMax: number };
  packets: number;
  missed: number;
  /** From the end of a frame at the card until the listener that is served last has it. */
  lastP50Ms: number;
  lastP99Ms: number;
  lastMaxMs: number;
};

export type FanOutPlan = { rounds: number; seconds: number; warmUpSeconds: number };

const counts = [1, 2, 4, 8, 16, 32, 64];
/** After the listeners have come. */
const settleMs = 1_500;
const stallMs = 2_000;
/** Starting and stopping one leg's listeners, at most, on a busy machine. */
const spareSecondsPerLeg = 6;

const setting = settingOf('medium');

/** The input pipeline at medium with 1 to 64 listeners, all counts in turn, round by round. */
export async function measureFanOut(plan: FanOutPlan): Promise<FanOutLeg[]> {
  const { level, profile } = setting;
  const daemon = await TestDaemon.start({ config: { input: { profile, quality: level } } });
  try {
    const legSeconds = plan.seconds + (settleMs + stallMs) / 1000 + spareSecondsPerLeg;
    const seconds = plan.warmUpSeconds + plan.rounds * counts.length * legSeconds;
    const player = playTrack(daemon, seconds);
    try {
      return await measureRounds(daemon, player, plan);
    } finally {
      if (player.running) await player.stop('SIGKILL');
    }
  } finally {
    await daemon.stop();
  }
}

async function measureRounds(
  daemon: TestDaemon,
  player: TestProcess,
  plan: FanOutPlan,
): Promise<FanOutLeg[]> {
  const pid = (await daemon.status()).input.pid ?? 0;
  const one = await startSinks(daemon, 1);
  await pause(plan.warmUpSeconds * 1000);
  await one.stop();
  const legs: FanOutLeg[] = [];
  for (let round = 0; round < plan.rounds; round++) {
    for (const listeners of counts) {
      process.stderr.write(`fan-out: ${listeners} listeners, ${plan.seconds} s\n`);
      legs.push(await measureListeners(daemon, pid, listeners, plan.seconds));
      player.assertRunning();
    }
  }
  return legs;
}

async function measureListeners(
  daemon: TestDaemon,
  pid: number,
  listeners: number,
  seconds: number,
): Promise<FanOutLeg> {
  const sinks = await startSinks(daemon, listeners);
  try {
    await pause(settleMs);
    await tell(sinks);
    const before = cpuTimes({ input: pid });
    await pause(seconds * 1000);
    const after = cpuTimes({ input: pid });
    const counted = await tell(sinks);
    const { privateDirtyMb } = memory(pid);
    process.kill(sinks.pid, 'SIGSTOP');
    await pause(stallMs);
    const stalled = memory(pid);
    // Of now, when the queues have been full for long.
    const { stream } = (await daemon.status()).input;
    process.kill(sinks.pid, 'SIGCONT');
    return {
      listeners,
      cpuPercent: cpuPercent(before, after).input ?? Number.NaN,
      privateDirtyMb,
      stalledPrivateDirtyMb: stalled.privateDirtyMb,
      waiting: {
        packets: stream?.pools.packets.inUse ?? Number.NaN,
        packetsMax: stream?.pools.packets.slots ?? Number.NaN,
      },
      packets: counted.packets ?? Number.NaN,
      missed: counted.missed ?? Number.NaN,
      lastP50Ms: counted.p50 ?? Number.NaN,
      lastP99Ms: counted.p99 ?? Number.NaN,
      lastMaxMs: counted.max ?? Number.NaN,
    };
  } finally {
    await sinks.stop();
  }
}

/** Runs test/bench/c/sinks.c. Resolves when all listeners are welcomed. */
async function startSinks(daemon: TestDaemon, listeners: number): Promise<TestProcess> {
  const command = inRepository('native-alsa/build/bench/sinks');
  const path = socketPath(daemon.runtimeFolder, 'input');
  const args = [path, String(listeners), String(formatOf(setting).frameMs)];
  const sinks = new TestProcess('sinks', command, args, daemon.env);
  await waitFor(`${listeners} listeners`, () => {
    sinks.assertRunning();
    return sinks.output.includes(`ready ${listeners}`);
  });
  return sinks;
}

/** What the listeners counted since the last time. */
async function tell(sinks: TestProcess): Promise<Record<string, number>> {
  const lines = (): string[] => sinks.output.split('\n').filter((line) => line.includes('p99='));
  const seen = lines().length;
  process.kill(sinks.pid, 'SIGUSR1');
  const line = await waitFor('figures of the listeners', () => {
    sinks.assertRunning();
    return lines()[seen];
  });
  return Object.fromEntries(
    line.split(' ').map((field) => {
      const [key = '', value] = field.split('=');
      return [key, Number(value)];
    }),
  );
}
