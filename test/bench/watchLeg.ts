import { setTimeout as pause } from 'node:timers/promises';
import type { LatencySummary } from '@kvm-audio/protocol';
import { PcmRecording, playOn } from '../helpers/PcmRecording.js';
import type { TestProcess } from '../helpers/TestProcess.js';
import type { CardStatus } from '../helpers/VirtualCard.js';
import type { LegGroup } from './LegGroup.js';
import {
  type CpuTimes,
  cpuTimes,
  type Memory,
  MemoryWatch,
  memory,
  togetherMb,
} from './processUsage.js';
import type { Counters, Subject } from './Subject.js';

type Snapshot = { cpu: CpuTimes; counters: Counters | undefined; xruns: number };

/** What is read off and told as it is. */
export type Readings = {
  /** Of the last 10 to 20 s, by the subject's own monitor, where it has one. */
  own: LatencySummary | undefined;
  /** As the subject itself tells it at the end; nil where it knows none. */
  driftPpm: number | null;
  memory: Record<string, Memory>;
  /** Private dirty memory, now and then from the beginning on, in MB. */
  dirtyMb: Readonly<Record<string, readonly number[]>>;
  /** Of all but the bridging client, as if nobody else ran: see togetherMb. */
  togetherMb: number;
};

/** All that judgeLeg needs, when the sound is over. */
export type Watched = {
  /** At the ends of the measured time. */
  before: Snapshot;
  after: Snapshot;
  /** When it ran dry in that time and just around it, as far as the subject tells. */
  dryUs: number[];
  /** At its end, for its clock. */
  input: CardStatus;
  output: CardStatus;
  heard: { file: string; startFrames: number };
  readings: Readings;
};

/**
 * Plays chirps into a running subject and looks on. The measured time is the same for all legs of
 * the group; until all have ended it nothing is done here that takes long.
 */
export async function watchLeg(subject: Subject, group: LegGroup): Promise<Watched> {
  const { inputCard, outputCard } = subject;
  const { track } = group;
  const file = group.newRecording();
  const recording = await PcmRecording.start(outputCard, file);
  let player: TestProcess | undefined;
  let watch: MemoryWatch | undefined;
  try {
    player = playOn(inputCard, track);
    await pause(group.warmUpSeconds * 1000);
    await group.meet();
    // What the subject is asked costs it CPU too: outside of the time that is measured.
    const asked = await ask(subject);
    const toldUs = subject.dryUs().at(-1) ?? 0;
    await group.meet();
    const before = { ...asked, cpu: cpuTimes(subject.pids) };
    watch = new MemoryWatch(subject.pids);
    await pause(group.seconds * 1000);
    const cpu = cpuTimes(subject.pids);
    const used = memoryOf(subject);
    watch.stop();
    await group.meet();
    const after = { ...(await ask(subject)), cpu };
    const own = await subject.latency();
    const driftPpm = await subject.driftPpm();
    const ownProcesses = Object.entries(subject.pids).filter(([name]) => name !== 'bridge');
    const [input, output] = await Promise.all([inputCard.status(), outputCard.status()]);
    player.assertRunning();
    await recording.end();
    return {
      before,
      after,
      dryUs: subject.dryUs().filter((atUs) => atUs > toldUs),
      input,
      output,
      heard: { file, startFrames: recording.startFrames },
      readings: {
        own,
        driftPpm,
        memory: used,
        dirtyMb: watch.dirtyMb,
        togetherMb: togetherMb(ownProcesses.map(([, pid]) => pid)),
      },
    };
  } finally {
    watch?.stop();
    if (player?.running) await player.stop('SIGKILL');
    await recording.abandon();
  }
}

async function ask(subject: Subject): Promise<Omit<Snapshot, 'cpu'>> {
  const counters = await subject.counters();
  const [input, output] = await Promise.all([
    subject.inputCard.status(),
    subject.outputCard.status(),
  ]);
  return { counters, xruns: input.capture.xruns + output.playback.xruns };
}

function memoryOf({ pids }: Subject): Record<string, Memory> {
  return Object.fromEntries(Object.entries(pids).map(([name, pid]) => [name, memory(pid)]));
}
