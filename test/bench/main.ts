// How good the program is, beside a C program that does the same and beside what others have:
// latency, gaps, CPU, memory, many listeners, recovery. One run prints one report, in Markdown,
// with each promise and whether it is met. A slow result on a busy machine is a result; the exit
// code is 1 only where something of ours could not be measured at all.
//   --parts A,B     latency, cpu, fan-out, recovery, drift (default the first four; with --long
//                   latency, cpu, recovery, drift)
//   --levels A,B    rows of the latency part: see settings.ts (default all; with --long those for
//                   which 10 minutes are promised)
//   --peers A,B     gstreamer, ffmpeg, alsaloop: beside ours at medium and ultra (default those
//                   that are installed; none with --long)
//   --long          each leg lasts --seconds, by default 600
//   --seconds N     length of the longest run at medium (default 60)
//   --trial         everything as short as can be: to see that it works
//   --json FILE     everything that was measured
//   --plot FILE     the latencies as a picture, SVG
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { measureFanOut } from './fanOut.js';
import { formatLatencyPlot } from './latencyPlot.js';
import { type CpuPlan, measureCpu } from './measureCpu.js';
import { type Leg, measureLeg } from './measureLeg.js';
import { isInstalled, type PeerName, peerNames } from './peers.js';
import { measureRecovery } from './recovery.js';
import { formatReport } from './report.js';
import type { Results, Row } from './results.js';
import { type SubjectName, startSubject } from './Subject.js';
import { type Setting, settingOf, settings } from './settings.js';
import { Witness } from './Witness.js';

const { values } = parseArgs({
  options: {
    parts: { type: 'string' },
    levels: { type: 'string' },
    peers: { type: 'string' },
    long: { type: 'boolean', default: false },
    seconds: { type: 'string' },
    trial: { type: 'boolean', default: false },
    json: { type: 'string' },
    plot: { type: 'string' },
  },
});
const { long, trial } = values;

const seconds = {
  longest: Number(values.seconds ?? (trial ? 6 : long ? 600 : 60)),
  /** Of others at medium. */
  peers: trial ? 5 : 20,
  short: trial ? 4 : 8,
};
/**
 * For four minutes V8 compiles what runs once a second; once in five, each process cleans up its
 * memory.
 */
const cpuPlan: CpuPlan = trial
  ? { pairs: 1, warmUpSeconds: 3, seconds: 3 }
  : { pairs: 3, warmUpSeconds: 240, seconds: long ? seconds.longest : 300 };
const fanOutPlan = trial
  ? { rounds: 1, seconds: 2, warmUpSeconds: 3 }
  : { rounds: 3, seconds: 10, warmUpSeconds: 55 };
/** From 60 s of running on, the first restart is at once. */
const recoveryPlan = trial
  ? { times: 1, goneSeconds: 1, runSeconds: 5 }
  : { times: 5, goneSeconds: long ? 61 : 2, runSeconds: 62 };
const skewsPpm = [300, -300];

const partNames = ['latency', 'cpu', 'fan-out', 'recovery', 'drift'] as const;
type PartName = (typeof partNames)[number];
const longSettings = ['medium', 'ultra', '5ms'];
const peerSettings = ['medium', 'ultra'];

type Run = [SubjectName, number];

function listOf<Name extends string>(
  flag: string,
  text: string | undefined,
  known: readonly Name[],
  otherwise: readonly Name[],
): readonly Name[] {
  const names = text?.split(',').filter(Boolean) ?? otherwise;
  return names.map((name) => {
    const found = known.find((each) => each === name);
    if (found === undefined) throw new Error(`--${flag}: there is no ${name}`);
    return found;
  });
}

/** One after the other, that a change of the machine's mood meets all. */
function runsOf({ name, profile }: Setting): Run[] {
  const both = (length: number): Run[] => [
    ['kvm-audio', length],
    ['yardstick', length],
  ];
  const others = (length: number): Run[] =>
    peerSettings.includes(name) ? peers.map((peer) => [peer, length]) : [];
  if (long) return [...both(seconds.longest), ...others(seconds.longest)];
  if (profile === 'microphone') return [['kvm-audio', seconds.short]];
  if (name !== 'medium') return [...both(seconds.short), ...others(seconds.short)];
  return [...both(seconds.longest), ...others(seconds.peers)];
}

async function runLeg(
  name: SubjectName,
  setting: Setting,
  length: number,
  skewPpm = 0,
): Promise<Leg> {
  process.stderr.write(`${setting.name}: ${name}, ${length} s\n`);
  const subject = await startSubject(name, setting);
  let stopped = false;
  try {
    if (skewPpm !== 0) await subject.outputCard.control('skew', String(skewPpm));
    const leg = await measureLeg(subject, length, witness);
    stopped = true;
    const counted = await subject.stop();
    return { ...leg, counted: leg.counted ?? counted };
  } finally {
    if (!stopped) await subject.stop();
  }
}

async function measureRow(row: Row): Promise<void> {
  const refused = new Set<SubjectName>();
  for (const [name, length] of runsOf(row.setting)) {
    if (refused.has(name)) continue;
    try {
      const leg = await runLeg(name, row.setting, length);
      row.legs[name] = [...(row.legs[name] ?? []), leg];
    } catch (error) {
      refused.add(name);
      const isPeer = peerNames.some((peer) => peer === name);
      skip(`${row.setting.name}, ${name}`, error as Error, !isPeer);
    }
  }
}

function skip(what: string, { message }: Error, isOurs: boolean): void {
  results.skipped.push(`${what}: ${message.trim().replaceAll('\n', '; ')}`);
  if (isOurs) process.exitCode = 1;
}

/** @returns those that are installed, of those that are wanted. */
function choosePeers(): readonly PeerName[] {
  const wanted = listOf('peers', values.peers, peerNames, long ? [] : peerNames);
  const there = wanted.filter(isInstalled);
  for (const name of wanted.filter((each) => !there.includes(each))) {
    results.skipped.push(`${name}: is not installed; \`make bench-peers\` installs it`);
  }
  return there;
}

const witness = new Witness();
const results: Results = {
  ...{ rows: [], cpu: [], fanOut: [], recovery: [], drift: [], skipped: [] },
  windows: witness.windows,
};
const peers = choosePeers();

const parts: Record<PartName, () => Promise<void>> = {
  latency: async () => {
    const names = settings.map(({ name }) => name);
    const chosen = listOf('levels', values.levels, names, long ? longSettings : names);
    for (const setting of chosen.map(settingOf)) {
      const row: Row = { setting, legs: {} };
      results.rows.push(row);
      await measureRow(row);
    }
  },
  cpu: async () => {
    results.cpu = await measureCpu(cpuPlan);
  },
  'fan-out': async () => {
    results.fanOut = await measureFanOut(fanOutPlan);
  },
  recovery: async () => {
    results.recovery = await measureRecovery(recoveryPlan);
  },
  drift: async () => {
    for (const skewPpm of skewsPpm) {
      const leg = await runLeg('kvm-audio', settingOf('medium'), seconds.longest, skewPpm);
      results.drift.push({ skewPpm, leg });
    }
  },
};

const usual: PartName[] = long
  ? ['latency', 'cpu', 'recovery', 'drift']
  : ['latency', 'cpu', 'fan-out', 'recovery'];
try {
  for (const name of listOf('parts', values.parts, partNames, usual)) {
    await parts[name]().catch((error: Error) => skip(name, error, true));
  }
} finally {
  witness.stop();
}
console.log(formatReport(results));
if (values.json) writeFileSync(values.json, JSON.stringify(results));
if (values.plot) writeFileSync(values.plot, formatLatencyPlot(results));
