import {
  type DirectionLatency,
  type LatencyFigures,
  type LatencyReport,
  latencyCauses,
  latencyStages,
  type OptimiserReport,
} from '@kvm-audio/client';
import { escapeControls } from '@kvm-audio/protocol';
import { formatTable, reportAgeMsMax } from './formatStatus.js';

const heading = ['', 'STAGE', 'p50', 'p95', 'p99', 'max', 'mean', 'jitter', 'trend/min', 'SAMPLES'];
const numbers = [2, 3, 4, 5, 6, 7, 8, 9];

/** Below 10 ms hundredths can be told apart, above that they are noise. */
function formatMs(ms: number): string {
  return Math.abs(ms) < 9.995 ? ms.toFixed(2) : ms.toFixed(1);
}

function formatTrend(ms: number): string {
  const text = formatMs(ms);
  return Number(text) > 0 ? `+${text}` : text.replace(/^-(0\.00)$/, '$1');
}

function formatRow(direction: string, stage: string, figures: LatencyFigures): string[] {
  const { count, p50Ms, p95Ms, p99Ms, maxMs, meanMs, jitterMs, trendMsPerMinute } = figures;
  if (count === 0) return [direction, stage, ...Array(numbers.length - 1).fill('-'), '0'];
  const cells = [p50Ms, p95Ms, p99Ms, maxMs, meanMs, jitterMs].map(formatMs);
  return [direction, stage, ...cells, formatTrend(trendMsPerMinute), String(count)];
}

function formatRows({ direction, endToEnd, stages }: DirectionLatency): string[][] {
  const rows = latencyStages.flatMap((stage) => {
    const figures = stages[stage];
    return figures ? [formatRow('', stage, figures)] : [];
  });
  const [first, ...others] = [
    ...rows,
    formatRow('', endToEnd.from === 'capture' ? 'end_to_end' : 'end_to_end*', endToEnd),
  ];
  return [[direction, ...(first ?? []).slice(1)], ...others];
}

/** What was done against latency; nothing where nothing was. */
function formatSteps(direction: string, { steps, undone, restored, last }: OptimiserReport) {
  if (last === null) return [];
  const counts = latencyCauses.flatMap((cause) =>
    steps[cause] > 0 ? [`${cause} ${steps[cause]}`] : [],
  );
  const back = [
    ...(undone > 0 ? [`taken back ${undone}`] : []),
    ...(restored > 0 ? [`given back ${restored}`] : []),
  ];
  return [`${direction}: steps: ${[...counts, ...back].join(', ')}; last: ${last}`];
}

function formatRemarks(
  directions: readonly DirectionLatency[],
  { jitterMs }: LatencyReport['limits'],
): string[] {
  return directions.flatMap(({ direction, ageMs, endToEnd, optimiser }) => [
    ...formatSteps(direction, optimiser),
    ...(endToEnd.jitterMs > jitterMs
      ? [`${direction}: jitter ${formatMs(endToEnd.jitterMs)} ms, wanted are ${jitterMs}`]
      : []),
    ...(ageMs > reportAgeMsMax
      ? [`${direction}: no heartbeat for ${(ageMs / 1000).toFixed(1)} s: its last figures`]
      : []),
    ...(endToEnd.count > 0 && endToEnd.from === 'arrival'
      ? [`* ${direction}: from the arrival of a packet, as its source does not say when it began`]
      : []),
  ]);
}

/** What end_to_end has besides its stages: see PlayoutLatency and CaptureLatency. */
function whatIsNoStage(directions: readonly DirectionLatency[]): string {
  const ofOutput = 'in the output the look-ahead, and the delay of a resampler';
  const captured = directions.filter(({ endToEnd }) => endToEnd.from === 'capture').length;
  const frame = captured < directions.length ? 'the frame itself (but for *)' : 'the frame itself';
  return `Not in the stages: ${captured > 0 ? `${frame}; ` : ''}${ofOutput}`;
}

/** How long sound is on its way, as a person reads it. */
export function formatLatencyReport(report: LatencyReport): string {
  const known = [report.input, report.output].filter((one) => one !== null);
  const missing = (['input', 'output'] as const).filter((direction) => report[direction] === null);
  const rows = known.flatMap(formatRows);
  const remarks = [
    ...missing.map((direction) => `${direction}: no figures; kvm-audioctl status says why`),
    ...formatRemarks(known, report.limits),
  ];
  return [
    `Latency of the last 10 to 20 s, in ms; wanted ${report.limits.targetMs} on average`,
    '',
    formatTable([heading, ...rows], numbers),
    ...(known.length > 0 ? ['', whatIsNoStage(known)] : []),
    ...(remarks.length > 0 ? ['', ...remarks.map(escapeControls)] : []),
  ].join('\n');
}
