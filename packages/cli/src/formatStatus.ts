import type { DaemonStatus, PipelineReport, PipelineStatus, ProcessUsage } from '@kvm-audio/client';
import { escapeControls } from '@kvm-audio/protocol';

/** Columns as wide as their widest cell; numbers (right) and text (left) aligned. */
export function formatTable(
  rows: readonly (readonly string[])[],
  right: readonly number[],
): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length)),
  );
  return rows
    .map((row) =>
      row
        .map((cell, column) =>
          right.includes(column)
            ? cell.padStart(widths[column] ?? 0)
            : cell.padEnd(widths[column] ?? 0),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function formatDuration(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return parts.map((part) => String(part).padStart(2, '0')).join(':');
}

export function totalDrops(pipeline: PipelineStatus): number {
  return Object.values(pipeline.stream?.drops ?? {}).reduce((sum, count) => sum + count, 0);
}

/** p50/p99, or a dash where nothing was measured. */
export function formatLatency(pipeline: PipelineStatus): string {
  const latency = pipeline.stream?.latency;
  if (!latency || latency.count === 0) return '-';
  return `${latency.p50Ms.toFixed(1)}/${latency.p99Ms.toFixed(1)}`;
}

/**
 * A pipeline is asked for its figures when the daemon is, and tells them by itself each 2.5 s:
 * older ones say that it does not answer.
 */
export const reportAgeMsMax = 3_000;

/** Where a pipeline that should is not heard of: its last figures are not those of now. */
export function formatSilence({ state, reportAgeMs }: PipelineStatus): string | undefined {
  if (state !== 'running' || reportAgeMs === null || reportAgeMs <= reportAgeMsMax)
    return undefined;
  return `no heartbeat for ${(reportAgeMs / 1000).toFixed(1)} s`;
}

/** State of the process, or of the audio in it where that runs. */
export function formatState(pipeline: PipelineStatus): string {
  if (pipeline.state !== 'running') return pipeline.state;
  return pipeline.stream?.state ?? 'running';
}

export function formatBitrate(pipeline: PipelineStatus): string {
  const bitrate = pipeline.stream?.format.bitrate;
  return bitrate === undefined ? '-' : `${Math.round(bitrate / 1000)} kbps`;
}

function formatCpu(usage: ProcessUsage | null): string {
  return typeof usage?.cpuPercent === 'number' ? usage.cpuPercent.toFixed(1) : '-';
}

function formatMemory(usage: ProcessUsage | null): string {
  return usage ? (usage.residentBytes / 2 ** 20).toFixed(1) : '-';
}

/** Of the audio of a pipeline that reports; a dash where there is none. */
function formatStream(
  pipeline: PipelineStatus,
  format: (stream: PipelineReport) => string | number,
): string {
  return pipeline.stream ? String(format(pipeline.stream)) : '-';
}

/** What is only known where audio is played. */
function formatPlayed(
  pipeline: PipelineStatus,
  format: (stream: PipelineReport) => string | number,
): string {
  return pipeline.direction === 'output' ? formatStream(pipeline, format) : '-';
}

/** Of the source's clock against the card's, and what follows it; a dash while nobody knows. */
function formatDrift({ driftPpm, correctedBy }: PipelineReport): string {
  const by = correctedBy === null ? '' : ` (${correctedBy})`;
  if (driftPpm === null) return `-${by}`;
  const ppm = Math.round(driftPpm);
  return `${ppm > 0 ? '+' : ''}${ppm}${by}`;
}

function formatCard({ card }: PipelineReport): string {
  return card ? escapeControls(`${card.rate} Hz, ${card.channels} ch, ${card.format}`) : '-';
}

function formatMargin({ marginMs, targetMs }: PipelineReport): string {
  return `${marginMs === null ? '-' : round(marginMs)}/${targetMs === null ? '-' : round(targetMs)}`;
}

/** How much may wait to be played, or for each client. */
function formatCapacity(pipeline: PipelineStatus): string {
  const whose = pipeline.direction === 'input' ? ' per client' : '';
  return formatStream(pipeline, ({ capacity: { frames, ms } }) => {
    const time = `${round(ms)} ms`;
    return (frames === null ? time : `${frames} frames (${time})`) + whose;
  });
}

/** The lines of the table: a name, and what it says of a pipeline. */
const lines: readonly (readonly [string, (pipeline: PipelineStatus) => string])[] = [
  ['PIPELINE', ({ direction }) => direction],
  ['STATE', formatState],
  ['PID', ({ pid }) => String(pid ?? '-')],
  ['CPU % of one core', ({ usage }) => formatCpu(usage)],
  ['MEMORY MiB', ({ usage }) => formatMemory(usage)],
  ['RESTARTS', ({ restarts }) => String(restarts)],
  ['LEVEL', ({ level }) => level],
  ['BITRATE', formatBitrate],
  ['LATENCY ms p50/p99', formatLatency],
  ['MARGIN ms now/goal', (pipeline) => formatPlayed(pipeline, formatMargin)],
  ['CONCEALED ms', (pipeline) => formatPlayed(pipeline, ({ concealedMs }) => concealedMs)],
  ['TRIMMED ms', (pipeline) => formatPlayed(pipeline, ({ trimmedMs }) => trimmedMs)],
  ['INSERTED ms', (pipeline) => formatPlayed(pipeline, ({ insertedMs }) => insertedMs)],
  ['DRIFT ppm', (pipeline) => formatPlayed(pipeline, formatDrift)],
  ['UNDERRUNS', (pipeline) => formatPlayed(pipeline, ({ underruns }) => underruns)],
  ['CARD XRUNS', (pipeline) => formatStream(pipeline, ({ xruns }) => xruns)],
  ['QUEUE LIMIT', formatCapacity],
  ['DROPPED frames', (pipeline) => formatStream(pipeline, () => totalDrops(pipeline))],
  ['CLIENTS', (pipeline) => formatStream(pipeline, ({ clients }) => clients)],
  ['DEVICE', (pipeline) => formatStream(pipeline, ({ device }) => escapeControls(device))],
  ['CARD', (pipeline) => formatStream(pipeline, formatCard)],
];

function round(value: number): number {
  return Math.round(10 * value) / 10;
}

/** When it was, and how. Nothing where no process has ended. */
function formatLastExit(
  { lastExit, lastExitAtMs }: PipelineStatus,
  nowMs: number,
): string | undefined {
  if (lastExit === null || lastExitAtMs === null) return undefined;
  const agoMs = Math.max(0, nowMs - lastExitAtMs);
  return `last end ${formatDuration(agoMs)} ago: ${lastExit}`;
}

function formatRemarks(pipeline: PipelineStatus, nowMs: number): string[] {
  const remarks: string[] = [];
  const { direction, stream, downMs, retryAfterMs } = pipeline;
  const silence = formatSilence(pipeline);
  if (silence) remarks.push(`${direction}: ${silence}: these are its last figures`);
  if (stream?.reason) remarks.push(`${direction}: ${stream.reason}`);
  const lastExit = formatLastExit(pipeline, nowMs);
  if (lastExit) remarks.push(`${direction}: ${lastExit}`);
  if (downMs > 0) {
    remarks.push(`${direction}: down for ${downMs / 1000} s in all: its process had died or hung`);
  }
  if (retryAfterMs !== null) remarks.push(`${direction}: next try in ${retryAfterMs} ms`);
  if (stream && stream.unheardMs > 0) {
    const unheard = `${stream.unheardMs / 1000} s of sound were not heard`;
    remarks.push(`${direction}: ${unheard}: no card played them`);
  }
  const { targetWins = 0 } = stream?.capacity ?? {};
  const times = targetWins === 1 ? 'once' : `${targetWins} times`;
  if (targetWins > 0) {
    const limit = 'queue limit under the playout target, which was kept instead';
    remarks.push(`${direction}: ${limit}, ${times}`);
  }
  const drops = Object.entries(stream?.drops ?? {}).filter(([, count]) => count > 0);
  for (const [place, count] of drops)
    remarks.push(`${direction}: dropped frames, ${place}: ${count}`);
  for (const { client, lossPercent, jitterMs, bufferMs } of stream?.clientFigures ?? []) {
    const figures = `loss ${round(lossPercent)} %, jitter ${round(jitterMs)} ms`;
    remarks.push(`${direction}: ${client} says: ${figures}, buffer ${round(bufferMs)} ms`);
  }
  return remarks.map(escapeControls);
}

/**
 * The status as a person reads it.
 *
 * @param nowMs in milliseconds since 1970.
 */
export function formatStatus(status: DaemonStatus, nowMs = Date.now()): string {
  const pipelines = [status.output, status.input];
  const { version, pid, uptimeMs, usage } = status;
  const self = `CPU ${formatCpu(usage)} %, memory ${formatMemory(usage)} MiB`;
  const title = `kvm-audiod ${version}, pid ${pid}, up ${formatDuration(uptimeMs)}, ${self}`;
  const table = formatTable(
    lines.map(([name, format]) => [name, ...pipelines.map(format)]),
    [],
  );
  const remarks = pipelines.flatMap((pipeline) => formatRemarks(pipeline, nowMs));
  return [title, '', table, ...(remarks.length > 0 ? ['', ...remarks] : [])].join('\n');
}

function formatPipelineLine(pipeline: PipelineStatus): string {
  const why = formatSilence(pipeline) ?? pipeline.stream?.reason;
  return [
    pipeline.direction,
    formatState(pipeline),
    ...(why ? [`(${escapeControls(why)})`] : []),
    pipeline.level,
    formatBitrate(pipeline).replace(' kbps', 'k'),
    `${formatLatency(pipeline)} ms`,
    ...(pipeline.direction === 'output'
      ? [`underruns ${formatStream(pipeline, ({ underruns }) => underruns)}`]
      : []),
    `drops ${totalDrops(pipeline)}`,
    `restarts ${pipeline.restarts}`,
  ].join(' ');
}

/**
 * The status in one line, what `demo` prints each second; a line for each pipeline where the
 * terminal has fewer columns than that.
 *
 * @param title stands in front of it: what follows stands below.
 */
export function formatStatusLine(
  status: DaemonStatus,
  title = '',
  columns = Number.POSITIVE_INFINITY,
): string {
  const pipelines = [status.output, status.input].map(formatPipelineLine);
  const line = title + pipelines.join(' | ');
  return line.length <= columns ? line : title + pipelines.join(`\n${' '.repeat(title.length)}`);
}
