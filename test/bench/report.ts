import { cpus } from 'node:os';
import type { Leg } from './measureLeg.js';
import type { SubjectName } from './Subject.js';
import { formatOf, type Setting } from './settings.js';
import { median, quantile, sum } from './statistics.js';
import type { BadWindow } from './Witness.js';

export type Row = { setting: Setting; legs: Record<SubjectName, Leg[]> };

/** What the program should reach at this stage. */
const targets = { mediumP99Ms: 60, ultraP99Ms: 45, cpuRatio: 2.5 };

export function formatReport(rows: readonly Row[], windows: readonly BadWindow[]): string {
  const medium = rows.find(({ setting }) => setting.name === 'medium');
  return [
    heading(windows),
    latencyTable(rows),
    ...(medium ? [cpuTable(medium), memoryTable(medium)] : []),
    verdicts(rows, medium),
  ].join('\n\n');
}

function heading(windows: readonly BadWindow[]): string {
  const [cpu] = cpus();
  const lateMs = sum(windows.map(({ fromUs, untilUs }) => untilUs - fromUs)) / 1000;
  const worstMs = Math.max(0, ...windows.map(({ fromUs, untilUs }) => untilUs - fromUs)) / 1000;
  return [
    `kvm-audio bench, ${new Date().toISOString().slice(0, 16)}Z, Node ${process.version}`,
    `${cpus().length} x ${cpu?.model ?? process.arch}, Linux; cards are virtual, profile program`,
    'Method: 20 ms chirps over music, 83 ms apart, played on card A, found on card B by',
    'normalised cross-correlation; times by the cards’ clocks. The C yardstick does the same work',
    'with the same settings; runs take turns. A gap is 1 ms or more of silence on card B.',
    `The machine woke a plain C thread over 3 ms late ${windows.length} times: ` +
      `${lateMs.toFixed(0)} ms in all, at most ${worstMs.toFixed(0)} ms.`,
  ].join('\n');
}

const ms = (value: number): string => value.toFixed(1).padStart(6);

function latencyTable(rows: readonly Row[]): string {
  const lines = rows.flatMap(({ setting, legs }) =>
    (['kvm-audio', 'yardstick'] as const)
      .filter((name) => legs[name].length > 0)
      .map((name) => latencyLine(setting, name, legs[name])),
  );
  return [
    'Latency of the whole path in ms, and gaps (of them while the machine stalled). Own: what the',
    'program’s monitor says of the last 10 to 20 s of its last run',
    'setting  frame ms             seconds chirps  lost    p50    p99    max  own50  own99' +
      '     gaps  card xruns',
    ...lines,
  ].join('\n');
}

function latencyLine(setting: Setting, name: SubjectName, legs: readonly Leg[]): string {
  const all = legs.flatMap(({ latenciesMs }) => latenciesMs);
  const gaps = legs.flatMap((leg) => leg.gaps);
  const own = legs.at(-1)?.own;
  const bad = gaps.filter(({ machineWasBad }) => machineWasBad).length;
  return [
    setting.name.padEnd(8),
    String(formatOf(setting).frameMs).padStart(8),
    ` ${name.padEnd(10)}`,
    sum(legs.map(({ seconds }) => seconds))
      .toFixed(0)
      .padStart(8),
    String(all.length).padStart(6),
    String(sum(legs.map(({ lostChirps }) => lostChirps))).padStart(5),
    ms(quantile(all, 0.5)),
    ms(quantile(all, 0.99)),
    ms(Math.max(...all)),
    ...[own?.p50Ms, own?.p99Ms].map((value) => (value === undefined ? '     -' : ms(value))),
    `${gaps.length} (${bad})`.padStart(8),
    String(sum(legs.map(({ cardXruns }) => cardXruns))).padStart(11),
  ].join(' ');
}

function processes(legs: readonly Leg[]): string[] {
  return Object.keys(legs[0]?.cpuPercent ?? {});
}

function cpuOf(legs: readonly Leg[], names: readonly string[]): number {
  return median(legs.map(({ cpuPercent }) => sum(names.map((name) => cpuPercent[name] ?? 0))));
}

const withoutBridge = (names: readonly string[]) => names.filter((name) => name !== 'bridge');

function cpuTable({ legs }: Row): string {
  const line = (label: string, value: string): string => `  ${label.padEnd(34)}${value}`;
  const percent = (value: number): string => `${value.toFixed(2)} %`.padStart(8);
  const part = (name: SubjectName): string[] => {
    const names = processes(legs[name]);
    return [
      ...names.map((each) => line(`${name} ${each}`, percent(cpuOf(legs[name], [each])))),
      line(`${name} together`, percent(cpuOf(legs[name], names))),
    ];
  };
  const { all, own } = cpuRatios(legs);
  return [
    'CPU at medium in the steady state, in percent of one core, medians of ' +
      `${legs['kvm-audio'].length} runs (${legs.yardstick.length} of the yardstick)`,
    ...part('kvm-audio'),
    ...part('yardstick'),
    line('ratio without the bridging client', `${own.toFixed(2)} x`.padStart(8)),
    line('ratio with it', `${all.toFixed(2)} x`.padStart(8)),
  ].join('\n');
}

function cpuRatios(legs: Row['legs']): { all: number; own: number } {
  const names = processes(legs['kvm-audio']);
  const yardstick = cpuOf(legs.yardstick, processes(legs.yardstick));
  return {
    all: cpuOf(legs['kvm-audio'], names) / yardstick,
    own: cpuOf(legs['kvm-audio'], withoutBridge(names)) / yardstick,
  };
}

function memoryTable({ legs }: Row): string {
  const lines = (['kvm-audio', 'yardstick'] as const).flatMap((name) => {
    const last = legs[name].at(-1);
    return Object.entries(last?.memory ?? {}).map(
      ([process, { pssMb, privateDirtyMb }]) =>
        `  ${`${name} ${process}`.padEnd(34)}${ms(pssMb)}  ${ms(privateDirtyMb)}`,
    );
  });
  return [`Memory at medium, streaming, in MB${' '.repeat(6)}PSS  private dirty`, ...lines].join(
    '\n',
  );
}

function verdicts(rows: readonly Row[], medium: Row | undefined): string {
  const lines = [
    p99Verdict(rows, 'medium', targets.mediumP99Ms),
    p99Verdict(rows, 'ultra', targets.ultraP99Ms),
    ...(medium ? [underrunVerdict(medium), cpuVerdict(medium)] : []),
  ];
  const known = lines.filter((line) => line !== undefined);
  return known.length > 0 ? ['Targets', ...known].join('\n') : 'No target is set for these rows.';
}

function verdict(passed: boolean, text: string): string {
  return `  ${passed ? 'pass ' : 'SHORT'} ${text}`;
}

function p99Verdict(rows: readonly Row[], name: string, targetMs: number): string | undefined {
  const legs = rows.find(({ setting }) => setting.name === name)?.legs['kvm-audio'];
  if (!legs) return undefined;
  const all = legs.flatMap(({ latenciesMs }) => latenciesMs);
  const p99 = quantile(all, 0.99);
  return verdict(p99 <= targetMs, `p99 at ${name} ${p99.toFixed(1)} ms, wanted ${targetMs}`);
}

/** The longest run decides; what cannot be laid at the machine's door counts against us. */
function underrunVerdict({ legs }: Row): string {
  const longest = legs['kvm-audio'].reduce((a, b) => (b.seconds > a.seconds ? b : a));
  const excused = longest.gaps.filter(({ machineWasBad }) => machineWasBad).length;
  const ours = longest.gaps.length - excused;
  const counted = longest.counted;
  const unheard = Math.max(0, (counted?.underruns ?? 0) - longest.gaps.length);
  return verdict(
    ours + unheard === 0,
    `underruns in ${longest.seconds.toFixed(0)} s at medium: ${ours + unheard} that are ours, ` +
      `${excused} while the machine stalled;\n        it counted ${counted?.underruns} underruns, ` +
      `${counted?.xruns} xruns, ${counted?.concealedMs} ms concealed, ${counted?.dropped} dropped`,
  );
}

function cpuVerdict({ legs }: Row): string {
  const { all } = cpuRatios(legs);
  const text = `CPU with the bridge ${all.toFixed(2)} x the yardstick`;
  return verdict(all <= targets.cpuRatio, `${text}, wanted ${targets.cpuRatio}`);
}
