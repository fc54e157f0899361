import { median, quantile, sum } from '../helpers/statistics.js';
import type { FanOutLeg } from './fanOut.js';
import type { Leg } from './judgeLeg.js';
import { markdownTable, oneDigit, twoDigits } from './markdown.js';
import type { CpuPair } from './measureCpu.js';
import type { Recovery } from './recovery.js';
import type { Results, Row } from './results.js';
import { type SubjectName, subjectNames } from './Subject.js';
import { formatOf, type Setting } from './settings.js';

const withoutBridge = (names: readonly string[]): string[] =>
  names.filter((name) => name !== 'bridge');

/** Its processes, by name. */
const processesOf = (legs: readonly Leg[]): string[] => Object.keys(legs[0]?.cpuPercent ?? {});

/** Of some processes together, in percent of one core: the median of the legs. */
function cpuOf(legs: readonly Leg[], names: readonly string[]): number {
  return median(legs.map(({ cpuPercent }) => sum(names.map((name) => cpuPercent[name] ?? 0))));
}

export const allLatenciesMs = (legs: readonly Leg[]): number[] =>
  legs.flatMap(({ latenciesMs }) => latenciesMs);

export function latencyTable({ rows }: Results): string {
  const head =
    'setting, frame ms, subject, seconds, p50 ms, p99 ms, max ms, own p50/p99 ms, chirps (lost)';
  const more = 'gaps (machine stalled), card xruns, own count of xruns, concealed %';
  return markdownTable(
    `${head}, ${more}`.split(', '),
    rows.flatMap(({ setting, legs }) =>
      subjectNames
        .filter((name) => (legs[name] ?? []).length > 0)
        .map((name) => latencyLine(setting, name, legs[name] ?? [])),
    ),
  );
}

function latencyLine(setting: Setting, name: SubjectName, legs: readonly Leg[]): string[] {
  const all = allLatenciesMs(legs);
  const gaps = legs.flatMap((leg) => leg.gaps);
  const own = legs.at(-1)?.own;
  const seconds = sum(legs.map((leg) => leg.seconds));
  const concealedMs = sum(legs.map(({ counted }) => counted?.concealedMs ?? Number.NaN));
  return [
    setting.name,
    String(formatOf(setting).frameMs),
    name,
    seconds.toFixed(0),
    oneDigit(quantile(all, 0.5)),
    oneDigit(quantile(all, 0.99)),
    oneDigit(Math.max(...all)),
    own && own.count > 0 ? `${oneDigit(own.p50Ms)}/${oneDigit(own.p99Ms)}` : '',
    `${all.length} (${sum(legs.map(({ lostChirps }) => lostChirps))})`,
    `${gaps.length} (${gaps.filter(({ machineWasBad }) => machineWasBad).length})`,
    String(sum(legs.map(({ cardXruns }) => cardXruns))),
    legs.map(({ counted }) => counted?.xruns ?? '').join(', '),
    Number.isNaN(concealedMs) ? '' : twoDigits(concealedMs / seconds / 10),
  ];
}

/** CPU and memory of each process at medium, as each leg had them. */
export function processTable({ rows }: Results): string {
  const medium = rows.find(({ setting }) => setting.name === 'medium');
  const lines = medium ? subjectNames.flatMap((name) => processLines(medium, name)) : [];
  const head = 'subject, process, CPU % of a core, private dirty MB at most, PSS MB at the end';
  return markdownTable(head.split(', '), lines);
}

function processLines({ legs: all }: Row, name: SubjectName): string[][] {
  const legs = all[name] ?? [];
  const last = legs.at(-1);
  if (!last) return [];
  const names = processesOf(legs);
  const lines = names.map((each) => [
    ...[name, each, twoDigits(cpuOf(legs, [each]))],
    oneDigit(Math.max(...(last.dirtyMb[each] ?? []), last.memory[each]?.privateDirtyMb ?? 0)),
    oneDigit(last.memory[each]?.pssMb ?? Number.NaN),
  ]);
  return names.length > 1
    ? [...lines, [name, 'together', twoDigits(cpuOf(legs, names)), '', '']]
    : lines;
}

/** Median of the legs with so many listeners. */
export function fanOutMedian(
  legs: readonly FanOutLeg[],
  listeners: number,
  value: (leg: FanOutLeg) => number,
): number {
  return median(legs.filter((leg) => leg.listeners === listeners).map(value));
}

export function fanOutTable({ fanOut }: Results): string {
  const head = 'listeners, CPU % of a core, % of one listener’s per added listener';
  const memoryHead = 'private dirty MB over one listener’s, the same with full queues';
  const queueHead = 'packets in all queues then (at most)';
  const more = 'missed packets, last listener p50 ms, p99 ms, max ms';
  const counts = [...new Set(fanOut.map(({ listeners }) => listeners))];
  const at = (listeners: number, value: (leg: FanOutLeg) => number): number =>
    fanOutMedian(fanOut, listeners, value);
  const one = at(1, (leg) => leg.cpuPercent);
  const oneMb = at(1, (leg) => leg.privateDirtyMb);
  return markdownTable(
    `${head}, ${memoryHead}, ${queueHead}, ${more}`.split(', '),
    counts.map((count) => {
      const cpu = at(count, (leg) => leg.cpuPercent);
      const legs = fanOut.filter(({ listeners }) => listeners === count);
      return [
        String(count),
        twoDigits(cpu),
        count === 1 ? '' : oneDigit((100 * (cpu - one)) / one / (count - 1)),
        oneDigit(at(count, (leg) => leg.privateDirtyMb) - oneMb),
        oneDigit(at(count, (leg) => leg.stalledPrivateDirtyMb) - oneMb),
        `${at(count, (leg) => leg.waiting.packets)} (${at(count, (leg) => leg.waiting.packetsMax)})`,
        String(sum(legs.map(({ missed }) => missed))),
        ...[at(count, (leg) => leg.lastP50Ms), at(count, (leg) => leg.lastP99Ms)].map(twoDigits),
        twoDigits(Math.max(...legs.map(({ lastMaxMs }) => lastMaxMs))),
      ];
    }),
  );
}

export function recoveryName({ what, direction, goneSeconds }: Recovery): string {
  return what === 'kill'
    ? `\`kill -9\` of the ${direction} pipeline`
    : `${direction} card replugged after ${goneSeconds} s`;
}

export function recoveryTable({ recovery }: Results): string {
  return markdownTable(
    'event, times, median ms, worst ms, connects meanwhile, refused'.split(', '),
    recovery.map((each) => [
      recoveryName(each),
      String(each.backMs.length),
      median(each.backMs).toFixed(0),
      Math.max(...each.backMs).toFixed(0),
      ...(each.what === 'kill' ? [String(each.connects), String(each.refused)] : ['', '']),
    ]),
  );
}

/** How far a latency is from the leg's median, at most. */
export function spreadMs({ latenciesMs }: Leg): number {
  const middle = median(latenciesMs);
  return Math.max(...latenciesMs.map((each) => Math.abs(each - middle)));
}

export function driftTable({ drift }: Results): string {
  const head = 'output card’s clock, seconds, p50 ms, p99 ms, furthest from p50 ms, ppm as told';
  return markdownTable(
    `${head}, gaps (machine stalled), underruns, cut or put in ms, concealed ms`.split(', '),
    drift.map(({ skewPpm, leg }) => [
      `${skewPpm > 0 ? '+' : '−'}${Math.abs(skewPpm)} ppm`,
      leg.seconds.toFixed(0),
      oneDigit(quantile(leg.latenciesMs, 0.5)),
      oneDigit(quantile(leg.latenciesMs, 0.99)),
      oneDigit(spreadMs(leg)),
      leg.driftPpm === null ? 'unknown' : oneDigit(leg.driftPpm),
      `${leg.gaps.length} (${leg.gaps.filter(({ machineWasBad }) => machineWasBad).length})`,
      ...[leg.counted?.underruns, leg.counted?.splicedMs, leg.counted?.concealedMs].map(String),
    ]),
  );
}

/** Of some processes together, in percent of one core, in each pair. */
const togetherIn = (rounds: readonly Record<string, number>[], names?: readonly string[]) =>
  rounds.map((round) => sum((names ?? Object.keys(round)).map((name) => round[name] ?? 0)));

/** CPU over the yardstick's, pair by pair, without the bridging client and with it. */
export function cpuRatios(pairs: readonly CpuPair[]): { own: number[]; all: number[] } {
  const yardstick = togetherIn(pairs.map((pair) => pair.yardstick));
  const over = (ours: number[]): number[] => ours.map((value, i) => value / (yardstick[i] ?? 0));
  const ours = pairs.map((pair) => pair.ours);
  return {
    own: over(togetherIn(ours, withoutBridge(Object.keys(ours[0] ?? {})))),
    all: over(togetherIn(ours)),
  };
}

/** CPU of each process. */
export function cpuTable(pairs: readonly CpuPair[]): string {
  const lines = (subject: string, rounds: readonly Record<string, number>[]): string[][] => {
    const names = Object.keys(rounds[0] ?? {});
    const line = (name: string, values: number[]): string[] => [
      ...[subject, name, twoDigits(median(values))],
      values.map(twoDigits).join(', '),
    ];
    return [
      ...names.map((name) => line(name, togetherIn(rounds, [name]))),
      line('together', togetherIn(rounds)),
    ];
  };
  return markdownTable('subject, process, CPU % of a core (median), of each'.split(', '), [
    ...lines(
      'kvm-audio',
      pairs.map((pair) => pair.ours),
    ),
    ...lines(
      'yardstick',
      pairs.map((pair) => pair.yardstick),
    ),
  ]);
}
