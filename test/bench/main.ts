// How good the program is, beside a C program that does the same and beside what others have:
// latency, gaps, CPU, memory, many listeners, recovery. One run prints one report, in Markdown,
// with each promise and whether it is met. A slow result on a busy machine is a result; the exit
// code is 1 only where something of ours could not be measured at all.
//   --parts A,B     latency, drift, cpu, fan-out, recovery, jitter (default all but drift; with
//                   --long all but fan-out)
//   --levels A,B    rows of the latency part: see settings.ts (default all; with --long those for
//                   which 10 minutes are promised)
//   --peers A,B     gstreamer, ffmpeg, alsaloop: beside ours at medium and ultra (default those
//                   that are installed; none with --long)
//   --long          each leg lasts --seconds, by default 600; those of latency and drift are
//                   measured at the same time
//   --seconds N     length of the longest run at medium (default 60)
//   --trial         everything as short as can be: to see that it works
//   --json FILE     everything that was measured
//   --plot FILE     the latencies as a picture, SVG
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { measureFanOut } from './fanOut.js';
import { formatLatencyPlot } from './latencyPlot.js';
import { driftLegs, type ListenedLeg, latencyLegs, listen } from './listenedLegs.js';
import { type CpuPlan, measureCpuAlone, measureCpuTogether } from './measureCpu.js';
import { isInstalled, type PeerName, peerNames } from './peers.js';
import { measureRecovery } from './recovery.js';
import { formatReport } from './report.js';
import type { Results } from './results.js';
import { settingOf, settings } from './settings.js';
import { simulateJitter } from './simulateJitter.js';
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
  short: trial ? 4 : 15,
};
/**
 * For four minutes V8 compiles what runs once a second, most of it in the first two; once in five
 * minutes each process cleans up its memory.
 */
const cpuPlan: Record<'alone' | 'together', CpuPlan> = trial
  ? {
      alone: { pairs: 1, warmUpSeconds: 3, seconds: 3 },
      together: { pairs: 1, warmUpSeconds: 3, seconds: 3 },
    }
  : {
      alone: { pairs: long ? 5 : 3, warmUpSeconds: 120, seconds: 60 },
      together: { pairs: 5, warmUpSeconds: 240, seconds: long ? seconds.longest : 300 },
    };
const fanOutPlan = trial
  ? { rounds: 1, seconds: 2, warmUpSeconds: 3 }
  : { rounds: 3, seconds: 10, warmUpSeconds: 55 };
/** From 60 s of running on, the first restart is at once. */
const recoveryPlan = trial
  ? { times: 1, goneSeconds: 1, runSeconds: 5 }
  : { times: 5, goneSeconds: long ? 61 : 2, runSeconds: 62 };

/** What is listened to, and the rest in the order in which it is measured. */
const listened = ['latency', 'drift'] as const;
const others = ['cpu', 'fan-out', 'recovery', 'jitter'] as const;
const partNames = [...listened, ...others];
type PartName = (typeof partNames)[number];
const usual = partNames.filter((name) => name !== (long ? 'fan-out' : 'drift'));
const longSettings = ['medium', 'ultra', '5ms'];

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
  ...{ rows: [], cpu: [], fanOut: [], recovery: [], drift: [], jitter: '', skipped: [] },
  windows: witness.windows,
  atOnce: long,
};

/** Of the parts that listen to what is played. */
function listenedLegs(parts: ReadonlySet<PartName>): ListenedLeg[] {
  const names = settings.map(({ name }) => name);
  const chosen = listOf('levels', values.levels, names, long ? longSettings : names);
  const plan = { settings: chosen.map(settingOf), peers: choosePeers(), long, seconds };
  return [
    ...(parts.has('latency') ? latencyLegs(results, plan) : []),
    ...(parts.has('drift') ? driftLegs(results, seconds.longest) : []),
  ];
}

/** All at a time, or one after the other: so that a change of the machine's mood meets all. */
async function measureListened(parts: ReadonlySet<PartName>): Promise<void> {
  const legs = listenedLegs(parts);
  const turns = long && legs.length > 0 ? [legs] : legs.map((leg) => [leg]);
  for (const turn of turns) {
    await listen(turn, witness, skip).catch((error: Error) => skip('latency, drift', error, true));
  }
}

const measureOther: Record<(typeof others)[number], () => Promise<void>> = {
  cpu: async () => {
    const { alone, together } = cpuPlan;
    for (const series of [() => measureCpuAlone(alone), () => measureCpuTogether(together)]) {
      await series().then(
        (measured) => results.cpu.push(measured),
        (error: Error) => skip('cpu', error, true),
      );
    }
  },
  'fan-out': async () => {
    results.fanOut = await measureFanOut(fanOutPlan);
  },
  recovery: async () => {
    results.recovery = await measureRecovery(recoveryPlan);
  },
  jitter: async () => {
    results.jitter = await simulateJitter();
  },
};

try {
  const wanted = new Set(listOf('parts', values.parts, partNames, usual));
  await measureListened(wanted);
  for (const name of others.filter((each) => wanted.has(each))) {
    await measureOther[name]().catch((error: Error) => skip(name, error, true));
  }
} finally {
  witness.stop();
}
console.log(formatReport(results));
if (values.json) writeFileSync(values.json, JSON.stringify(results));
if (values.plot) writeFileSync(values.plot, formatLatencyPlot(results));
