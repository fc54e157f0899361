import { median, quantile, sum } from '../helpers/statistics.js';
import type { Leg } from './judgeLeg.js';
import { markdownTable, oneDigit, twoDigits } from './markdown.js';
import { legsOf, type Results } from './results.js';
import { allLatenciesMs, cpuRatios, recoveryName, spreadMs } from './tables.js';

/** What the program is to reach, and what of it was measured. */
type Kept = { what: string; promised: string; measured: string; met: boolean };

const promised = {
  everyP99Ms: 50,
  p99Ms: { medium: 36, ultra: 25, '5ms': 15 },
  concealedPercent: 0.5,
  cpuRatio: 1.5,
  cpuRatioWithBridge: 2,
  pipelineMb: 13,
  supervisorMb: 16,
  pssMb: 65,
  /** What a leg may add to what is private: about what V8 takes and gives back. */
  growthMb: 0.5,
  listenerPercent: 6,
  killMs: 400,
  replugMs: 300,
  driftMs: 2,
  driftToldPpm: 5,
  toldP99Ms: 3,
} as const;

const daemonProcesses = ['supervisor', 'input', 'output'] as const;
/** Memory is said to be flat only where it was watched for so long. */
const flatSecondsMin = 300;

/** Of the whole path with a setting, where there is one besides that for all settings. */
export const promisedP99Ms = (settingName: string): number | undefined =>
  Object.entries(promised.p99Ms).find(([name]) => name === settingName)?.[1];

/** A line for each promise of which something was measured. A bench says; it never fails. */
export function promiseTable(results: Results): string {
  const kept = [
    ...latencyPromises(results),
    ...underrunPromises(results),
    ...cpuPromises(results),
    ...memoryPromises(results),
    ...fanOutPromises(results),
    ...recoveryPromises(results),
    ...driftPromises(results),
  ];
  return markdownTable(
    ['promise', 'wanted', 'measured', ''],
    kept.map(({ what, promised, measured, met }) => [
      ...[what, promised, measured],
      met ? 'met' : '**not met**',
    ]),
  );
}

function latencyPromises(results: Results): Kept[] {
  const p99s = results.rows.map(({ setting, legs }) => ({
    name: setting.name,
    p99: quantile(allLatenciesMs(legs['kvm-audio'] ?? []), 0.99),
  }));
  const worst = p99s.toSorted((a, b) => b.p99 - a.p99)[0];
  if (!worst) return [];
  const each = Object.entries(promised.p99Ms).flatMap(([name, mostMs]) => {
    const p99 = p99s.find((row) => row.name === name)?.p99;
    if (p99 === undefined) return [];
    const what = `${name}: latency of the whole path, p99`;
    const measured = `${oneDigit(p99)} ms`;
    return [{ what, promised: `≤ ${mostMs} ms`, measured, met: p99 <= mostMs }];
  });
  return [
    {
      what: `p99 at each of ${p99s.length} levels and profiles`,
      promised: `< ${promised.everyP99Ms} ms`,
      measured: `worst ${oneDigit(worst.p99)} ms (${worst.name})`,
      met: worst.p99 < promised.everyP99Ms,
    },
    ...each,
    ...toldPromise(results),
  ];
}

/** What the daemon's own monitor says, against what was heard, by p99; of the worst setting. */
function toldPromise(results: Results): Kept[] {
  const offMs = results.rows.flatMap(({ setting, legs }) => {
    const ours = legs['kvm-audio'] ?? [];
    const own = ours.at(-1)?.own;
    if (!own || own.count === 0) return [];
    const off = Math.abs(own.p99Ms - quantile(allLatenciesMs(ours), 0.99));
    return [{ name: setting.name, off }];
  });
  const worst = offMs.toSorted((a, b) => b.off - a.off)[0];
  if (!worst) return [];
  return [
    {
      what: `p99 as the daemon tells it, ${offMs.length} levels and profiles`,
      promised: `≤ ${promised.toldP99Ms} ms from what is heard`,
      measured: `${oneDigit(worst.off)} ms (${worst.name})`,
      met: worst.off <= promised.toldP99Ms,
    },
  ];
}

/** Gaps that were heard, and underruns that were counted beyond them; the machine's own apart. */
function ownGaps({ gaps, unheard, told, counted }: Leg): { own: number; excused: number } {
  const known = [...gaps, ...unheard];
  const excused = known.filter(({ machineWasBad }) => machineWasBad).length;
  const untold = Math.max(0, (counted?.underruns ?? 0) - Math.max(told, gaps.length));
  return { own: known.length - excused + untold, excused };
}

function underrunPromises(results: Results): Kept[] {
  return Object.keys(promised.p99Ms).flatMap((name) => {
    const legs = legsOf(results, name, 'kvm-audio');
    if (legs.length === 0) return [];
    const seconds = sum(legs.map((leg) => leg.seconds));
    const own = sum(legs.map((leg) => ownGaps(leg).own));
    const excused = sum(legs.map((leg) => ownGaps(leg).excused));
    const concealedMs = sum(legs.map(({ counted }) => counted?.concealedMs ?? 0));
    const concealedPercent = concealedMs / seconds / 10;
    return [
      {
        what: `${name}: underruns in ${seconds.toFixed(0)} s`,
        promised: '0 outside the machine’s stalls',
        measured: `${own} (${excused} in stalls)`,
        met: own === 0,
      },
      {
        what: `${name}: concealed audio`,
        promised: `≤ ${promised.concealedPercent} %`,
        measured: `${twoDigits(concealedPercent)} %`,
        met: concealedPercent <= promised.concealedPercent,
      },
      ...xrunPromise(results, name),
    ];
  });
}

function xrunPromise(results: Results, name: string): Kept[] {
  const perHour = (legs: readonly Leg[]): number =>
    (3600 * sum(legs.map(({ cardXruns }) => cardXruns))) / sum(legs.map(({ seconds }) => seconds));
  const yardstick = legsOf(results, name, 'yardstick');
  if (yardstick.length === 0) return [];
  const [ours, theirs] = [perHour(legsOf(results, name, 'kvm-audio')), perHour(yardstick)];
  return [
    {
      what: `${name}: the cards’ xruns`,
      promised: `≤ the yardstick’s (${oneDigit(theirs)} an hour)`,
      measured: `${oneDigit(ours)} an hour`,
      met: ours <= theirs,
    },
  ];
}

function cpuPromises({ cpu }: Results): Kept[] {
  const line = (what: string, how: string, rounds: readonly number[], most: number): Kept => ({
    what: `CPU at medium, ${what}, ${how}, median of ${rounds.length}`,
    promised: `≤ ${most} × the yardstick`,
    measured: `${twoDigits(median(rounds))} × (${rounds.map(twoDigits).join(', ')})`,
    met: median(rounds) <= most,
  });
  return cpu.flatMap(({ how, pairs }) => {
    const { own, all } = cpuRatios(pairs);
    return [
      line('supervisor and both pipelines', how, own, promised.cpuRatio),
      line('with the bridging client', how, all, promised.cpuRatioWithBridge),
    ];
  });
}

function memoryPromises(results: Results): Kept[] {
  const leg = legsOf(results, 'medium', 'kvm-audio').at(-1);
  if (!leg) return [];
  const dirty = (name: string): Kept => {
    const most = name === 'supervisor' ? promised.supervisorMb : promised.pipelineMb;
    const measured = Math.max(...(leg.dirtyMb[name] ?? [Number.NaN]));
    return {
      what: `private dirty memory, ${name}, at most`,
      promised: `≤ ${most} MB`,
      measured: `${oneDigit(measured)} MB`,
      met: measured <= most,
    };
  };
  return [
    ...daemonProcesses.map(dirty),
    {
      what: 'memory of the three, as if no other Node ran',
      promised: `≤ ${promised.pssMb} MB`,
      measured: `${oneDigit(leg.togetherMb)} MB`,
      met: leg.togetherMb <= promised.pssMb,
    },
    ...flatPromises(results),
  ];
}

/** By so much the least of the second half is more than that of the first. */
function growthMb(dirtyMb: readonly number[]): number {
  const half = Math.floor(dirtyMb.length / 2);
  return Math.min(...dirtyMb.slice(half)) - Math.min(...dirtyMb.slice(0, half));
}

function flatPromises({ rows }: Results): Kept[] {
  const long = rows.flatMap(({ setting, legs }) =>
    (legs['kvm-audio'] ?? [])
      .filter(({ seconds }) => seconds >= flatSecondsMin)
      .map((leg) => ({ setting, leg })),
  );
  return long.map(({ setting, leg }) => {
    const growth = daemonProcesses.map((name) => growthMb(leg.dirtyMb[name] ?? []));
    return {
      what: `${setting.name}: private memory is flat over ${leg.seconds.toFixed(0)} s`,
      promised: `≤ ${promised.growthMb} MB more in each process`,
      measured: `${growth.map(twoDigits).join(', ')} MB (${daemonProcesses.join(', ')})`,
      met: growth.every((megabytes) => megabytes <= promised.growthMb),
    };
  });
}

function fanOutPromises({ fanOut }: Results): Kept[] {
  if (fanOut.length === 0) return [];
  const percent = costOfListener(fanOut);
  const most = Math.max(...fanOut.map(({ listeners }) => listeners));
  return [
    {
      what: `one more listener on the input, 1 to ${most}`,
      promised: `≤ ${promised.listenerPercent} % of one listener’s CPU`,
      measured: `${oneDigit(percent)} %`,
      met: percent <= promised.listenerPercent,
    },
  ];
}

/** The slope of a straight line through all legs, in percent of the CPU with one listener. */
function costOfListener(legs: Results['fanOut']): number {
  const mean = (values: readonly number[]): number => sum(values) / values.length;
  const x = mean(legs.map(({ listeners }) => listeners));
  const y = mean(legs.map(({ cpuPercent }) => cpuPercent));
  const slope =
    sum(legs.map(({ listeners, cpuPercent }) => (listeners - x) * (cpuPercent - y))) /
    sum(legs.map(({ listeners }) => (listeners - x) ** 2));
  const one = legs.filter(({ listeners }) => listeners === 1);
  return (100 * slope) / median(one.map(({ cpuPercent }) => cpuPercent));
}

function recoveryPromises({ recovery }: Results): Kept[] {
  return recovery.flatMap((each): Kept[] => {
    const mostMs = each.what === 'kill' ? promised.killMs : promised.replugMs;
    const middle = median(each.backMs);
    const back: Kept = {
      what: `${recoveryName(each)}: audio is back, median of ${each.backMs.length}`,
      promised: `≤ ${mostMs} ms`,
      measured: `${middle.toFixed(0)} ms (${each.backMs.map((ms) => ms.toFixed(0)).join(', ')})`,
      met: middle <= mostMs,
    };
    if (each.what !== 'kill') return [back];
    const refused: Kept = {
      what: `${recoveryName(each)}: refused connects`,
      promised: '0',
      measured: `${each.refused} of ${each.connects}`,
      met: each.refused === 0,
    };
    return [back, refused];
  });
}

function driftPromises({ drift }: Results): Kept[] {
  return drift.flatMap(({ skewPpm, leg }) => {
    const { own, excused } = ownGaps(leg);
    const splicedMs = leg.counted?.splicedMs ?? Number.NaN;
    const spread = spreadMs(leg);
    const what = `drift of ${skewPpm} ppm for ${leg.seconds.toFixed(0)} s`;
    const held: Kept = {
      what,
      promised: `no underrun, no skip, latency within ±${promised.driftMs} ms`,
      measured:
        `${own} underruns (${excused} in stalls), ${splicedMs} ms cut or put in, ` +
        `within ±${oneDigit(spread)} ms`,
      met: own === 0 && splicedMs === 0 && spread <= promised.driftMs,
    };
    // A card that is fast makes its source slow.
    const offPpm = Math.abs((leg.driftPpm ?? Number.NaN) + skewPpm);
    const told: Kept = {
      what: `${what}: as the daemon tells it`,
      promised: `within ±${promised.driftToldPpm} ppm`,
      measured: leg.driftPpm === null ? 'unknown' : `${oneDigit(offPpm)} ppm off`,
      met: offPpm <= promised.driftToldPpm,
    };
    return [held, told];
  });
}
