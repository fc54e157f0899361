import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { LatencySummary } from '@kvm-audio/protocol';
import { PcmRecording } from '../helpers/PcmRecording.js';
import { mixDown, splitChannels } from '../helpers/signal.js';
import type { TestProcess } from '../helpers/TestProcess.js';
import type { CardStatus } from '../helpers/VirtualCard.js';
import { cardTime } from './cardTime.js';
import { chirpLatencies } from './chirpLatencies.js';
import { playTrack } from './playTrack.js';
import {
  type CpuTimes,
  cpuPercent,
  cpuTimes,
  type Memory,
  MemoryWatch,
  memory,
  togetherMb,
} from './processUsage.js';
import type { Counters, Subject } from './Subject.js';
import { silences } from './silences.js';
import type { Witness } from './Witness.js';

/** A leg of this length is one for CPU too: it begins in the steady state. */
const longSeconds = 20;
/** After the measured time, for the last look at the counters; the player is stopped then. */
const spareSeconds = 10;
/** So much exact silence under music is a gap. */
const gapFramesMin = 48;
/** From its beginning until the last sample before its silence is heard, and some silence. */
const underrunUsMax = 10_000;

type Stretch = { fromUs: number; untilUs: number };
export type Gap = Stretch & { machineWasBad: boolean };

export type Leg = {
  seconds: number;
  /** Of each chirp that was found, in the order of time. */
  latenciesMs: number[];
  lostChirps: number;
  /** Of the last 10 to 20 s, by the subject's own monitor, where it has one. */
  own: LatencySummary | undefined;
  /** As the subject itself tells it at the end; nil where it knows none. */
  driftPpm: number | null;
  /** Silence that was heard where sound was due. */
  gaps: Gap[];
  /** Underruns that were too short for a gap, as far as the subject tells when they were. */
  unheard: Gap[];
  /** Of the underruns that were counted, those whose time is known. */
  told: number;
  /** The card's own under- and overruns, both cards. */
  cardXruns: number;
  /** What the subject itself counted; undefined where it says so only at its end. */
  counted: Counters | undefined;
  /** Per process, in percent of one core. */
  cpuPercent: Record<string, number>;
  memory: Record<string, Memory>;
  /** Private dirty memory, now and then from the beginning on, in MB. */
  dirtyMb: Readonly<Record<string, readonly number[]>>;
  /** Of all but the bridging client, as if nobody else ran: see togetherMb. */
  togetherMb: number;
};

type Snapshot = {
  cpu: CpuTimes;
  counters: Counters | undefined;
  xruns: number;
  memory: Record<string, Memory>;
};

/** Plays chirps into a running subject for some seconds and measures what it makes of them. */
export async function measureLeg(
  subject: Subject,
  seconds: number,
  witness: Witness,
): Promise<Leg> {
  const { inputCard, outputCard, folder } = subject;
  const warmUp = seconds < longSeconds ? subject.settleSeconds : subject.warmUpSeconds;
  const recording = await PcmRecording.start(outputCard, join(folder, 'heard.raw'));
  let player: TestProcess | undefined;
  let watch: MemoryWatch | undefined;
  try {
    player = playTrack(subject, warmUp + seconds + spareSeconds);
    await pause(warmUp * 1000);
    // What the subject is asked costs it CPU too: outside of the time that is measured.
    const asked = await ask(subject);
    const toldUs = subject.dryUs().at(-1) ?? 0;
    const before = snapshot(subject, asked);
    watch = new MemoryWatch(subject.pids);
    await pause(seconds * 1000);
    const used = snapshot(subject, asked);
    watch.stop();
    const after = { ...used, ...(await ask(subject)) };
    const own = await subject.latency();
    const driftPpm = await subject.driftPpm();
    const ownProcesses = Object.entries(subject.pids).filter(([name]) => name !== 'bridge');
    const input = await inputCard.status();
    const output = await outputCard.status();
    player.assertRunning();
    const heard = await recording.stop();
    await player.stop('SIGKILL');
    const sound = listen(
      heard,
      recording.startFrames,
      input,
      output,
      before.cpu.atMs,
      after.cpu.atMs,
    );
    const judged = <T extends Stretch>(stretch: T) => ({
      ...stretch,
      machineWasBad: witness.wasBad(stretch.fromUs, stretch.untilUs),
    });
    const gaps = sound.gaps.map(judged);
    const dryUs = subject.dryUs().filter((atUs) => atUs > toldUs);
    const unheard = dryUs
      .filter((atUs) => atUs >= before.cpu.atMs * 1000 && atUs < after.cpu.atMs * 1000)
      .map((atUs) => ({ fromUs: atUs, untilUs: atUs + underrunUsMax }))
      .filter((dry) => !gaps.some((gap) => gap.fromUs < dry.untilUs && gap.untilUs > dry.fromUs))
      .map(judged);
    return {
      seconds: (after.cpu.atMs - before.cpu.atMs) / 1000,
      latenciesMs: sound.latenciesMs,
      lostChirps: sound.lostChirps,
      own,
      driftPpm,
      gaps,
      unheard,
      told: dryUs.length,
      cardXruns: after.xruns - before.xruns,
      counted: difference(after.counters, before.counters),
      cpuPercent: cpuPercent(before.cpu, after.cpu),
      memory: after.memory,
      dirtyMb: watch.dirtyMb,
      togetherMb: togetherMb(ownProcesses.map(([, pid]) => pid)),
    };
  } finally {
    watch?.stop();
    if (player?.running) await player.stop('SIGKILL');
    await recording.abandon();
  }
}

type Asked = Pick<Snapshot, 'counters' | 'xruns'>;

async function ask(subject: Subject): Promise<Asked> {
  const counters = await subject.counters();
  const [input, output] = await Promise.all([
    subject.inputCard.status(),
    subject.outputCard.status(),
  ]);
  return { counters, xruns: input.capture.xruns + output.playback.xruns };
}

function snapshot(subject: Subject, asked: Asked): Snapshot {
  return {
    ...asked,
    memory: perProcess(subject, memory),
    cpu: cpuTimes(subject.pids),
  };
}

function perProcess<T>({ pids }: Subject, measure: (pid: number) => T): Record<string, T> {
  return Object.fromEntries(Object.entries(pids).map(([name, pid]) => [name, measure(pid)]));
}

function difference(after: Counters | undefined, before: Counters | undefined) {
  if (!after || !before) return undefined;
  return {
    underruns: after.underruns - before.underruns,
    xruns: after.xruns - before.xruns,
    concealedMs: after.concealedMs - before.concealedMs,
    splicedMs: after.splicedMs - before.splicedMs,
    dropped: after.dropped - before.dropped,
  };
}

/** Every chirp that was played between two times: when it was heard, by the cards' clocks. */
function listen(
  pcm: Int16Array,
  recordedFrom: number,
  input: CardStatus,
  output: CardStatus,
  fromMs: number,
  untilMs: number,
) {
  const heard = cardTime(output);
  const frameHeardAt = (ms: number): number => heard.frameAt(ms) - recordedFrom;
  const sound = mixDown(splitChannels(pcm, 2));
  const gaps = silences(
    pcm,
    Math.round(frameHeardAt(fromMs)),
    Math.round(frameHeardAt(untilMs)),
    gapFramesMin,
  ).map(({ from, until }) => ({
    fromUs: heard.msAt(recordedFrom + from) * 1000,
    untilUs: heard.msAt(recordedFrom + until) * 1000,
  }));
  return {
    ...chirpLatencies({ sound, recordedFrom, input, output }, fromMs, untilMs),
    gaps,
  };
}
