import { readFileSync } from 'node:fs';
import {
  type DaemonStatus,
  dropPlaces,
  type LatencyFigures,
  latencyStages,
  limits,
  type PipelineReport,
  type PipelineStatus,
} from '@kvm-audio/protocol';
import { quietReport } from '../../../../test/helpers/quietReport.js';
import { quietBuffers, quietPipeline, quietStatus } from '../../../../test/helpers/quietStatus.js';
import { inRepository } from '../../../../test/helpers/repository.js';
import { metricsText } from './metricsText.js';
import { statusFamilies } from './statusFamilies.js';

const figures: LatencyFigures = {
  count: 500,
  meanMs: 35.25,
  p50Ms: 35,
  p95Ms: 36.5,
  p99Ms: 38.123456,
  maxMs: 41,
  jitterMs: 0.5,
  trendMsPerMinute: -1.5,
  totalCount: 12_000,
  totalMs: 423_000.5,
};

const report: PipelineReport = quietReport({
  clients: 2,
  connectionsRefused: 1,
  connectionDrops: 3,
  framesReceived: 12_000,
  lastFrameAtMs: 1_796_028_585_739,
  packetsSent: 23_990,
  bytes: 1_536_000,
  drops: { ...quietReport().drops, late_packet: 4 },
  queueMs: 2.5,
  capacity: { frames: 6, ms: 120, targetWins: 2 },
  concealedMs: 25,
  trimmedMs: 5,
  insertedMs: 12,
  unheardMs: 61_020,
  driftPpm: -299.6123456789,
  correctionPpm: -300,
  targetMs: 9.5,
  marginMs: 10.04,
  underruns: 7,
  callMs: 1_500,
  xruns: 8,
  latency: { ...figures, from: 'capture' },
  stages: { queue: figures, decode: { ...figures, count: 0 } },
});

const pipeline = (changed: Partial<PipelineStatus> = {}): PipelineStatus =>
  quietPipeline({
    restarts: 2,
    downMs: 741,
    lastExitAtMs: 1_796_028_580_125,
    stream: report,
    optimiser: {
      steps: { backlog: 1, cpu: 0, margin: 2, buffer: 0 },
      undone: 1,
      restored: 0,
      last: 'margin: 60 ms were never needed: target 20 ms',
    },
    ...changed,
  });

const statusOf = (changed: Partial<DaemonStatus> = {}): DaemonStatus =>
  quietStatus({
    buffers: {
      input_buffer_size: 6,
      output_buffer_size: 7,
      average_latency_ms: 3.25,
      system_cpu_percent: 8.5,
      system_memory_percent: 18.75,
      adaptation_count: 5,
      last_adaptation: 1_796_028_585_256,
    },
    output: pipeline(),
    input: pipeline({ direction: 'input', retryAfterMs: 400 }),
    ...changed,
  });

const unstarted = (direction: 'output' | 'input') =>
  pipeline({ direction, pid: null, state: 'failed', stream: null, reportAgeMs: null, usage: null });

/** Nothing is known but that the daemon runs. */
const bare = statusOf({
  usage: null,
  buffers: quietBuffers,
  output: unstarted('output'),
  input: unstarted('input'),
});

const lines = (status: DaemonStatus): string[] => metricsText(status).split('\n');

type Tree = { [key: string]: Tree | number | string | null };

/** Where a status has numbers, as paths with dots. */
function numbersOf(tree: Tree, path = ''): string[] {
  return Object.entries(tree).flatMap(([key, value]) => {
    if (typeof value === 'number') return [path + key];
    return value !== null && typeof value === 'object' ? numbersOf(value, `${path}${key}.`) : [];
  });
}

function withMore(status: DaemonStatus, path: string): DaemonStatus {
  // No object of it is that of another place.
  const changed = JSON.parse(JSON.stringify(status)) as DaemonStatus;
  const keys = path.split('.');
  const last = keys.pop() ?? '';
  const owner = keys.reduce((tree, key) => tree[key] as Tree, changed as unknown as Tree);
  owner[last] = (owner[last] as number) + 1_000;
  return changed;
}

describe('the metrics', () => {
  test.each([
    'kvm_audio_info{version="0.1.0"} 1',
    'kvm_audio_uptime_seconds 3723.999',
    'kvm_audio_process_cpu_ratio{process="output"} 0.0425',
    'kvm_audio_process_resident_memory_bytes{process="supervisor"} 53687091',
    'kvm_audio_pipeline_state{direction="output",state="running"} 1',
    'kvm_audio_pipeline_state{direction="output",state="failed"} 0',
    'kvm_audio_restarts_total{direction="input"} 2',
    'kvm_audio_down_seconds_total{direction="input"} 0.741',
    'kvm_audio_last_exit_timestamp_seconds{direction="input"} 1796028580.125',
    'kvm_audio_stream_state{direction="input",state="no-signal"} 0',
    'kvm_audio_connection_drops_total{direction="input"} 3',
    'kvm_audio_frames_received_total{direction="output"} 12000',
    'kvm_audio_last_frame_timestamp_seconds{direction="output"} 1796028585.739',
    'kvm_audio_packets_sent_total{direction="input"} 23990',
    'kvm_audio_payload_bytes_total{direction="output"} 1536000',
    'kvm_audio_frames_dropped_total{direction="output",place="late_packet"} 4',
    'kvm_audio_xruns_total{direction="input"} 8',
    'kvm_audio_underruns_total{direction="output"} 7',
    'kvm_audio_drift_ppm{direction="output"} -299.612346',
    'kvm_audio_concealed_seconds_total{direction="output"} 0.025',
    'kvm_audio_unheard_seconds_total{direction="output"} 61.02',
    'kvm_audio_latency_seconds{direction="output",quantile="0.99"} 0.038123',
    'kvm_audio_latency_seconds{direction="output",quantile="1.0"} 0.041',
    'kvm_audio_latency_seconds_count{direction="output"} 12000',
    'kvm_audio_latency_seconds_sum{direction="output"} 423.0005',
    'kvm_audio_latency_average_seconds{direction="input"} 0.03525',
    'kvm_audio_latency_trend_ratio{direction="output"} -0.000025',
    'kvm_audio_stage_latency_seconds{direction="output",stage="queue",quantile="0.5"} 0.035',
    'kvm_audio_buffer_size_frames{direction="output"} 7',
    'kvm_audio_buffer_last_adaptation_timestamp_seconds 1796028585.256',
    'kvm_audio_optimiser_steps_total{direction="output",cause="margin"} 2',
    'kvm_audio_optimiser_steps_undone_total{direction="output"} 1',
    'kvm_audio_pool_slots_peak{direction="input",pool="control"} 1',
  ])('have %s', (line) => {
    expect(lines(statusOf())).toContain(line);
  });

  test('have each number of a status, but for what describes the stream, or is in another', () => {
    const status = statusOf();
    const text = metricsText(status);
    const numbers = numbersOf(status as unknown as Tree);
    const untold = numbers
      .filter((path) => metricsText(withMore(status, path)) === text)
      .filter((path) => !/\.stream\.(format|tuning|stages\.decode)\./.test(path));
    const ofEach = ['pid', 'stream.capacity.frames', 'stream.latency.count'].concat(
      ['count', 'meanMs', 'jitterMs', 'trendMsPerMinute'].map(
        (key) => `stream.stages.queue.${key}`,
      ),
    );
    const playing = ['capacity.targetWins', 'concealedMs', 'trimmedMs', 'insertedMs']
      .concat(['unheardMs', 'driftPpm', 'correctionPpm', 'targetMs', 'marginMs', 'underruns'])
      .map((key) => `input.stream.${key}`);
    expect(numbers.length).toBeGreaterThan(150);
    expect(untold.sort()).toEqual(
      [
        'pid',
        ...['output', 'input'].flatMap((direction) => ofEach.map((key) => `${direction}.${key}`)),
        'output.stream.packetsSent',
        'input.retryAfterMs',
        ...playing,
      ].sort(),
    );
  });

  test('are each on the page about them', () => {
    const page = readFileSync(inRepository('docs/metrics.md'), 'utf8');
    const names = statusFamilies.map(({ name }) => name.replace(/^kvm_audio_/, ''));
    expect(names.filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
  });

  test('have no figures that are not known', () => {
    const text = metricsText(bare);
    expect(text).not.toMatch(/ (null|undefined|NaN)$/m);
    expect(text).not.toMatch(/_(stream|latency|frames_received|drift|process)\w*\{/);
    expect(text).toContain('kvm_audio_pipeline_state{direction="output",state="failed"} 1\n');
  });

  test('have no quantiles where nothing was measured lately, but what there was', () => {
    const decode = lines(statusOf()).filter((line) => /output",stage="decode"/.test(line));
    expect(decode).toEqual([
      'kvm_audio_stage_latency_seconds_count{direction="output",stage="decode"} 12000',
      'kvm_audio_stage_latency_seconds_sum{direction="output",stage="decode"} 423.0005',
    ]);
  });

  test('are text as the format has it: each family once, its lines together', () => {
    const text = metricsText(statusOf());
    const family =
      /# TYPE (\S+) (counter|gauge|summary)\n(?:# UNIT \1 (\S+)\n)?# HELP \1 [^\n"\\]+\.\n((?:\1\S* \S+\n)+)/gy;
    const end = [...text.matchAll(family)].reduce((at, match) => at + match[0].length, 0);
    expect(text.slice(end)).toBe('# EOF\n');
    const families = [...text.matchAll(family)];
    expect(families.length).toBeGreaterThan(45);
    expect(new Set(families.map(([, name]) => name)).size).toBe(families.length);
    for (const [, name = '', type, unit, samples = ''] of families) {
      if (unit) expect(name.endsWith(`_${unit}`)).toBe(true);
      const series = samples.trimEnd().split('\n');
      const names = series.map((line) => line.replace(/ \S+$/, ''));
      expect(new Set(names).size).toBe(names.length);
      const suffix = { counter: '_total', gauge: '', summary: '(_count|_sum)?' }[type as 'gauge'];
      const sample = new RegExp(`^${name}${suffix}(\\{(\\w+="[^"]+",?)+\\})? -?\\d+(\\.\\d+)?$`);
      for (const line of series) expect(line).toMatch(sample);
    }
  });

  test('fit into one message when all that can be told is', () => {
    const huge = { ...figures, p50Ms: 1e9 / 7, p99Ms: 1e9 / 7, totalMs: 1e15 / 7 };
    const stages = Object.fromEntries(latencyStages.map((stage) => [stage, huge]));
    const drops = Object.fromEntries(dropPlaces.map((place) => [place, 2 ** 53 - 1]));
    const stream = { ...report, stages, drops: drops as PipelineReport['drops'] };
    const status = statusOf({ output: pipeline({ stream }), input: pipeline({ stream }) });
    expect(metricsText(status).length).toBeLessThan(limits.messageBytesMax / 2);
  });
});
