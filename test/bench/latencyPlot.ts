import { cpus } from 'node:os';
import { median, quantile } from '../helpers/statistics.js';
import { promisedP99Ms } from './promises.js';
import type { Results, Row } from './results.js';
import { type SubjectName, subjectNames } from './Subject.js';
import { formatOf } from './settings.js';
import { allLatenciesMs } from './tables.js';

// All in SVG units.
const width = 860;
const plotLeft = 170;
const plotRight = 730;
const rowHeight = 24;
const groupHead = 30;
const top = 64;
const bottom = 72;
/** Of a violin, to either side. */
const violinHalf = 9;
const violinHalfMin = 1.5;
const bins = 110;
/** The axis may begin a little above its first value. */
const tickSlack = 1.02;
const tickCandidatesMs = [5, 10, 15, 20, 30, 50, 75, 100, 150, 200, 300, 500, 1_000];

/** In light and in dark. */
const colours: Record<SubjectName, readonly [string, string]> = {
  'kvm-audio': ['#0b63ce', '#6cb2ff'],
  yardstick: ['#59636e', '#b4bcc6'],
  gstreamer: ['#b35900', '#ffab5e'],
  ffmpeg: ['#177a3a', '#6fd08c'],
  alsaloop: ['#8642b5', '#d3a4f5'],
};

const labels: Partial<Record<SubjectName, string>> = { alsaloop: 'alsaloop (no codec)' };

/** A scale of equal ratios: 20 ms more is much at 20 and little at 200. */
type Axis = { fromMs: number; toMs: number; x(ms: number): number };

/**
 * How long sound takes through each subject: a violin for each setting and subject, as wide as
 * chirps took so long; a line at the median; dashed, what is promised of our p99. An SVG that
 * follows the reader's colour scheme.
 */
export function formatLatencyPlot({ rows, windows }: Results): string {
  const shown = rows.filter((row) => row.setting.profile === 'program' && namesOf(row).length > 0);
  const axis = axisOf(shown.flatMap(({ legs }) => allLatenciesMs(Object.values(legs).flat())));
  let y = top;
  const groups = shown.map((row) => {
    const names = namesOf(row);
    const from = y;
    y += groupHead + names.length * rowHeight;
    return group(row, names, axis, from);
  });
  const height = y + bottom;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" ` +
      'aria-labelledby="title" font-family="system-ui, sans-serif" font-size="13">',
    '<title id="title">Latency of the whole path, in ms, by setting and program</title>',
    style(),
    `<rect class="paper" width="${width}" height="${height}" rx="6"/>`,
    text(20, 28, 'heading', 'Latency from the captured to the played sample'),
    text(
      20,
      47,
      'quiet',
      'height: how many chirps took so long; line: median; dashed: promised p99 of kvm-audio',
    ),
    text(plotRight + 14, top - 6, 'quiet', 'p50 / p99'),
    ...ticks(axis, top - 4, y),
    ...groups,
    text((plotLeft + plotRight) / 2, y + 40, 'quiet middle', 'latency, ms (logarithmic)'),
    text(20, y + 60, 'quiet', circumstances(windows.length)),
    '</svg>',
    '',
  ].join('\n');
}

function circumstances(stalls: number): string {
  const [cpu] = cpus();
  const machine = `${cpus().length} × ${cpu?.model ?? process.arch}, Node ${process.version}`;
  const late = `a plain C thread was woken over 3 ms late ${stalls} times meanwhile`;
  return `${new Date().toISOString().slice(0, 10)}, ${machine}; ${late}`;
}

const namesOf = ({ legs }: Row): SubjectName[] =>
  subjectNames.filter((name) => allLatenciesMs(legs[name] ?? []).length > 0);

function axisOf(latenciesMs: readonly number[]): Axis {
  const least = Math.min(...latenciesMs);
  const most = Math.max(...latenciesMs);
  const fromMs = Math.max(...tickCandidatesMs.filter((ms) => ms <= least * tickSlack), 5);
  const toMs = Math.min(...tickCandidatesMs.filter((ms) => ms >= most), 1_000);
  const scale = (plotRight - plotLeft) / Math.log(toMs / fromMs);
  return { fromMs, toMs, x: (ms) => plotLeft + scale * Math.log(ms / fromMs) };
}

function ticks({ fromMs, toMs, x }: Axis, from: number, to: number): string[] {
  return tickCandidatesMs
    .filter((ms) => ms >= fromMs && ms <= toMs)
    .flatMap((ms) => [
      `<line class="grid" x1="${round(x(ms))}" x2="${round(x(ms))}" y1="${from}" y2="${to}"/>`,
      text(x(ms), to + 18, 'quiet middle', String(ms)),
    ]);
}

function group(row: Row, names: readonly SubjectName[], axis: Axis, from: number): string {
  const head = `${row.setting.name}, frames of ${formatOf(row.setting).frameMs} ms`;
  const lines = names.map((name, i) => {
    const latenciesMs = allLatenciesMs(row.legs[name] ?? []);
    const middle = from + groupHead + (i + 0.5) * rowHeight;
    const [p50, p99] = [median(latenciesMs), quantile(latenciesMs, 0.99)];
    const at = round(axis.x(p50));
    const ends = `y1="${middle - violinHalf}" y2="${middle + violinHalf}"`;
    return [
      text(plotLeft - 14, middle + 4, `end ${name}`, labels[name] ?? name),
      `<line class="grid" x1="${plotLeft}" x2="${plotRight}" y1="${middle}" y2="${middle}"/>`,
      `<path class="${name}" d="${violin(latenciesMs, axis, middle)}"/>`,
      `<line class="median" x1="${at}" x2="${at}" ${ends}/>`,
      text(plotRight + 14, middle + 4, 'ink', `${p50.toFixed(1)} / ${p99.toFixed(1)}`),
    ].join('\n');
  });
  const promisedMs = promisedP99Ms(row.setting.name);
  const to = from + groupHead + names.length * rowHeight;
  const x = round(axis.x(promisedMs ?? axis.fromMs));
  const ends = `y1="${from + groupHead - 4}" y2="${to}"`;
  const promise = promisedMs ? [`<line class="promise" x1="${x}" x2="${x}" ${ends}/>`] : [];
  return [text(20, from + 20, 'heading', head), ...promise, ...lines].join('\n');
}

/** An outline of bars on both sides of a line; where nothing was, nothing is drawn. */
function violin(latenciesMs: readonly number[], { x }: Axis, middle: number): string {
  const binWidth = (plotRight - plotLeft) / bins;
  const counts = new Map<number, number>();
  for (const ms of latenciesMs) {
    const bin = Math.floor((x(ms) - plotLeft) / binWidth);
    counts.set(bin, (counts.get(bin) ?? 0) + 1);
  }
  const most = Math.max(...counts.values());
  return [...counts]
    .sort(([a], [b]) => a - b)
    .map(([bin, count]) => {
      // The root, that a single late chirp among thousands is still seen.
      const half = Math.max(violinHalfMin, violinHalf * Math.sqrt(count / most));
      const left = plotLeft + bin * binWidth;
      const bar = [binWidth, 2 * half, -binWidth].map(round);
      return `M${round(left)} ${round(middle - half)}h${bar[0]}v${bar[1]}h${bar[2]}z`;
    })
    .join('');
}

function style(): string {
  const subjects = (scheme: 0 | 1): string =>
    subjectNames.map((name) => `.${name}{fill:${colours[name][scheme]}}`).join('');
  const scheme = (paper: string, ink: string, quiet: string, grid: string): string =>
    `.paper{fill:${paper}}.ink,.heading{fill:${ink}}.quiet{fill:${quiet}}` +
    `.grid{stroke:${grid}}.median,.promise{stroke:${ink}}`;
  return [
    '<style>',
    '.heading{font-weight:600}.middle{text-anchor:middle}.end{text-anchor:end}' +
      '.median{stroke-width:1.5}.promise{stroke-dasharray:3 3}',
    scheme('#ffffff', '#1f2328', '#59636e', '#d8dee4') + subjects(0),
    '@media (prefers-color-scheme: dark){',
    `${scheme('#0d1117', '#e6edf3', '#9198a1', '#30363d')}${subjects(1)}}`,
    '</style>',
  ].join('\n');
}

function text(x: number, y: number, classes: string, content: string): string {
  return `<text class="${classes}" x="${round(x)}" y="${round(y)}">${content}</text>`;
}

const round = (value: number): string => String(Math.round(value * 10) / 10);
