import type { DaemonStatus, PipelineReport, PipelineStatus } from '@kvm-audio/client';
import { quietReport } from '../../../test/helpers/quietReport.js';
import { quietPipeline, quietStatus } from '../../../test/helpers/quietStatus.js';
import { formatStatus, formatStatusLine, formatTable } from './formatStatus.js';

const report: PipelineReport = quietReport({
  device: 'hw:UAC2Gadget',
  card: { name: 'UAC2_Gadget', rate: 44_100, channels: 2, format: 'S24_3LE' },
  framesReceived: 10,
  bytes: 1_000,
  queueMs: 2.5,
  capacity: { frames: 6, ms: 120, targetWins: 0 },
  concealedMs: 25,
  trimmedMs: 5,
  insertedMs: 12,
  driftPpm: 123.4,
  correctionPpm: 120,
  targetMs: 9.5,
  marginMs: 10.04,
  correctedBy: 'resampler',
  underruns: 3,
  xruns: 2,
  latency: { ...quietReport().latency, count: 9, p50Ms: 36.5, p99Ms: 38.25 },
});
const { drops } = report;

const pipeline = (changed: Partial<PipelineStatus>): PipelineStatus =>
  quietPipeline({ stream: report, ...changed });

function status(output: Partial<PipelineStatus>, input: Partial<PipelineStatus>): DaemonStatus {
  return quietStatus({
    output: pipeline(output),
    input: pipeline({ direction: 'input', ...input }),
  });
}

describe('a table', () => {
  test('has columns as wide as their widest cell, with numbers to the right', () => {
    expect(
      formatTable(
        [
          ['A', 'NUMBER', 'C'],
          ['long', '7', ''],
        ],
        [1],
      ),
    ).toBe('A     NUMBER  C\nlong       7');
  });

  test('of nothing is nothing', () => {
    expect(formatTable([], [])).toBe('');
  });
});

describe('the status', () => {
  test('is a title and a table where all is well', () => {
    const text = formatStatus(status({}, { stream: { ...report, state: 'idle' }, pid: 2 }));
    const [title, empty, ...table] = text.split('\n');
    expect(title).toBe('kvm-audiod 0.1.0, pid 100, up 01:02:03, CPU - %, memory 51.2 MiB');
    expect(empty).toBe('');
    expect(table.map((line) => line.split(/ {2,}/))).toEqual([
      ['PIPELINE', 'output', 'input'],
      ['STATE', 'running', 'idle'],
      ['PID', '101', '2'],
      ['CPU % of one core', '4.3', '4.3'],
      ['MEMORY MiB', '48.0', '48.0'],
      ['RESTARTS', '0', '0'],
      ['LEVEL', 'medium', 'medium'],
      ['BITRATE', '96 kbps', '96 kbps'],
      ['LATENCY ms p50/p99', '36.5/38.3', '36.5/38.3'],
      ['MARGIN ms now/goal', '10/9.5', '-'],
      ['CONCEALED ms', '25', '-'],
      ['TRIMMED ms', '5', '-'],
      ['INSERTED ms', '12', '-'],
      ['DRIFT ppm', '+123 (resampler)', '-'],
      ['UNDERRUNS', '3', '-'],
      ['CARD XRUNS', '2', '2'],
      ['QUEUE LIMIT', '6 frames (120 ms)', '6 frames (120 ms) per client'],
      ['DROPPED frames', '0', '0'],
      ['CLIENTS', '1', '1'],
      ['DEVICE', 'hw:UAC2Gadget', 'hw:UAC2Gadget'],
      ['CARD', '44100 Hz, 2 ch, S24_3LE', '44100 Hz, 2 ch, S24_3LE'],
    ]);
  });

  test('says what follows the drift', () => {
    const by = (changed: Partial<PipelineReport>): string | undefined =>
      /^DRIFT ppm +(.*?) {2,}/m.exec(
        formatStatus(status({ stream: { ...report, ...changed } }, {})),
      )?.[1];
    expect(by({ correctedBy: null })).toBe('+123');
    expect(by({ correctedBy: 'pitch' })).toBe('+123 (pitch)');
    expect(by({ correctedBy: 'pitch', driftPpm: -9.6 })).toBe('-10 (pitch)');
    expect(by({ correctedBy: 'resampler', driftPpm: null })).toBe('- (resampler)');
  });

  test('has dashes where a pipeline has no process', () => {
    const down = { pid: null, state: 'failed', stream: null, restarts: 10, usage: null } as const;
    const lines = formatStatus(status(down, {})).split('\n').slice(2);
    expect(lines.map((line) => line.split(/ {2,}/)[1])).toEqual([
      'output',
      'failed',
      '-',
      '-',
      '-',
      '10',
      'medium',
      ...Array(14).fill('-'),
    ]);
  });

  test('has remarks for a reason, a death, a next try and each place of drops', () => {
    const degraded = {
      ...report,
      reason: 'no such device',
      drops: { ...drops, late_packet: 4 },
      unheardMs: 5_260,
    };
    const dead = {
      state: 'backoff',
      pid: null,
      lastExit: 'killed by SIGKILL',
      lastExitAtMs: 1_796_028_585_000,
      downMs: 363,
      retryAfterMs: 400,
      stream: null,
    } as const;
    const nowMs = 1_796_028_585_000 + 3_661_999;
    const text = formatStatus(status({ stream: degraded }, dead), nowMs);
    expect(text.split('\n').slice(23)).toEqual([
      '',
      'output: no such device',
      'output: 5.26 s of sound were not heard: no card played them',
      'output: dropped frames, late_packet: 4',
      'input: last end 01:01:01 ago: killed by SIGKILL',
      'input: down for 0.363 s in all: its process had died or hung',
      'input: next try in 400 ms',
    ]);
  });

  test('has a remark for the least of sound that was not heard', () => {
    const text = formatStatus(status({ stream: { ...report, unheardMs: 29 } }, {}));
    expect(text).toContain('output: 0.029 s of sound were not heard');
  });

  test('cannot change what a terminal shows around it', () => {
    const odd = { ...report, device: 'hw:\x1b[2J', reason: 'two\nlines' };
    const text = formatStatus(
      status({ stream: odd, lastExit: '\x9b', lastExitAtMs: 5_000 }, {}),
      4_000,
    );
    expect(text).toContain('hw:\\u001b[2J');
    expect(text).toContain('output: two\\u000alines\noutput: last end 00:00:00 ago: \\u009b');
  });

  test('shows what clients say of themselves', () => {
    const figures = { framesReceived: 9, lossPercent: 0.25, jitterMs: 3.14, bufferMs: 40 };
    const stream = { ...report, clientFigures: [{ client: 'kvm', ...figures }] };
    expect(formatStatus(status({}, { stream })).split('\n')).toContain(
      'input: kvm says: loss 0.3 %, jitter 3.1 ms, buffer 40 ms',
    );
  });

  test('says so where a pipeline does not answer', () => {
    const quiet = { reportAgeMs: 3_149 };
    expect(formatStatus(status({}, quiet)).split('\n')).toContain(
      'input: no heartbeat for 3.1 s: these are its last figures',
    );
    expect(formatStatusLine(status(quiet, {}))).toMatch(
      /^output running \(no heartbeat for 3\.1 s\) medium .* \| input running medium/,
    );
    const heard = formatStatus(status({ reportAgeMs: 3_000 }, { reportAgeMs: null, stream: null }));
    expect(heard).not.toContain('heartbeat');
  });

  test('says how much may queue, in time alone where that is the bound, and where the target won', () => {
    const fixed = { ...report, capacity: { frames: null, ms: 200, targetWins: 0 } };
    const won = (targetWins: number) => ({
      stream: { ...report, capacity: { frames: 3, ms: 62.5, targetWins } },
    });
    const lines = formatStatus(status(won(1), { stream: fixed })).split('\n');
    expect(lines.map((line) => line.split(/ {2,}/))).toContainEqual([
      'QUEUE LIMIT',
      '3 frames (62.5 ms)',
      '200 ms per client',
    ]);
    const kept = 'output: queue limit under the playout target, which was kept instead';
    expect(lines).toContain(`${kept}, once`);
    expect(formatStatus(status(won(2), {}))).toContain(`${kept}, 2 times`);
  });

  test('adds up the drops of all places', () => {
    const lossy = { ...report, drops: { ...drops, late_packet: 4, pool_empty: 5 } };
    expect(formatStatusLine(status({ stream: lossy }, {}))).toContain('drops 9');
  });

  test('is no wider than a terminal, with all that it can say in a column', () => {
    const card = { name: 'card', rate: 176_400, channels: 2, format: 'FLOAT_LE' };
    const capacity = { frames: 20, ms: 162.5, targetWins: 0 };
    const wide = { stream: { ...report, card, capacity, driftPpm: -299 } };
    const table = formatStatus(status(wide, wide)).split('\n');
    expect(Math.max(...table.map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  test('counts hours beyond a day', () => {
    const old = { ...status({}, {}), uptimeMs: 100 * 3_600_000 + 59_000 };
    expect(formatStatus(old)).toContain('up 100:00:59');
  });
});

describe('the status in one line', () => {
  test('is short, with a dash where nothing was measured', () => {
    const quiet = { ...report, latency: { ...report.latency, count: 0 } };
    expect(formatStatusLine(status({}, { stream: quiet, restarts: 2 }))).toBe(
      'output running medium 96k 36.5/38.3 ms underruns 3 drops 0 restarts 0 | ' +
        'input running medium 96k - ms drops 0 restarts 2',
    );
  });

  test('is one for each pipeline on a terminal that is too narrow', () => {
    const line = formatStatusLine(status({}, {}), '10:42:00  ');
    expect(formatStatusLine(status({}, {}), '10:42:00  ', line.length)).toBe(line);
    expect(formatStatusLine(status({}, {}), '10:42:00  ', line.length - 1)).toBe(
      line.replace(' | ', '\n          '),
    );
  });

  test('has dashes for what a pipeline that does not report would say', () => {
    expect(formatStatusLine(status({ stream: null, state: 'backoff' }, {}))).toContain(
      'output backoff medium - - ms underruns - drops 0',
    );
  });

  test('says why a pipeline does not play', () => {
    const gone = { ...report, state: 'no-device', reason: 'the card is away' } as const;
    expect(formatStatusLine(status({ stream: gone }, {}))).toMatch(
      /^output no-device \(the card is away\) medium /,
    );
  });
});
