import {
  type DropPlace,
  dropPlaces,
  type PipelineReport,
  qualityLevels,
} from '@kvm-audio/protocol';
import { makeMaterial } from '../helpers/material.js';
import { type Comparison, TakeComparer } from '../helpers/TakeComparer.js';
import { TestDaemon } from '../helpers/TestDaemon.js';
import { takeThrough } from '../helpers/takeThrough.js';

jest.setTimeout(300_000);

const backends = ['native', 'wasm'] as const;
const profiles = ['program', 'microphone'] as const;
/** A machine that stalls makes real gaps. Such a take says nothing about fidelity. */
const takesMax = 3;
const material = makeMaterial();
/** Played before the material where the playout delay may still move: after another frame length. */
const settleSeconds = 2;
const settleMaterial = material.slice(0, 2 * 48_000 * settleSeconds);

type Evidence = Record<'underruns' | 'xruns' | 'concealedMs' | DropPlace, number>;

/** What the program itself has counted so far, in reports that were made from now on. */
async function evidenceNow(daemon: TestDaemon): Promise<Evidence> {
  const { output, input } = await daemon.status();
  const seen = [output.stream, input.stream].map((stream) => stream?.framesReceived ?? 0);
  const fresh = await daemon.waitForStatus(
    'new report of both pipelines',
    (status) =>
      (status.output.stream?.framesReceived ?? 0) > seen[0]! &&
      (status.input.stream?.framesReceived ?? 0) > seen[1]!,
  );
  const reports = [fresh.output.stream, fresh.input.stream] as PipelineReport[];
  const sum = (count: (report: PipelineReport) => number): number =>
    reports.reduce((total, report) => total + count(report), 0);
  return {
    underruns: sum(({ underruns }) => underruns),
    xruns: sum(({ xruns }) => xruns),
    concealedMs: sum(({ concealedMs }) => concealedMs),
    ...(Object.fromEntries(
      dropPlaces.map((place) => [place, sum(({ drops }) => drops[place])]),
    ) as Record<DropPlace, number>),
  };
}

/** The counters that rose, as words; nothing where the take was undisturbed. */
function whatRose(before: Evidence, after: Evidence): string {
  return (Object.keys(after) as (keyof Evidence)[])
    .filter((name) => after[name] > before[name])
    .map((name) => `${name} +${after[name] - before[name]}`)
    .join(', ');
}

/** A take during which the program reports no gap of its own; one with a gap never counts. */
async function undisturbedTake(
  daemon: TestDaemon,
  comparer: TakeComparer,
  settle: boolean,
): Promise<Comparison> {
  const stalls: string[] = [];
  while (stalls.length < takesMax) {
    const settling = settle || stalls.length > 0 ? [settleMaterial] : [];
    const before = await evidenceNow(daemon);
    const recording = await takeThrough(daemon, ...settling, material);
    const rose = whatRose(before, await evidenceNow(daemon));
    if (rose === '') return comparer.compare(recording);
    process.stderr.write(`take ${stalls.length + 1} is repeated, the program reports ${rose}\n`);
    stalls.push(rose);
  }
  throw new Error(`the program reports gaps in each of ${takesMax} takes: ${stalls.join('; ')}`);
}

describe.each(backends.flatMap((backend) => profiles.map((profile) => ({ backend, profile }))))(
  'what is played is heard again ($backend codec, $profile)',
  ({ backend, profile }) => {
    let daemon: TestDaemon;
    let frameMs = 20;

    beforeAll(async () => {
      // This is about fidelity, not latency: a busy machine is given time.
      daemon = await TestDaemon.start({
        config: { input: { profile }, output: { targetMs: 80, bufferMs: 200 }, codec: { backend } },
      });
      await daemon.bridge();
    });

    afterAll(() => daemon?.stop());

    test.each(qualityLevels)('at %s, set while it streams', async (level) => {
      const { format } = await daemon.call('quality.set', { direction: 'input', level });
      const settle = format.frameMs !== frameMs;
      frameMs = format.frameMs;
      const comparer = new TakeComparer(material, { level, profile });
      const { correlation, correlationMin, faults } = await undisturbedTake(
        daemon,
        comparer,
        settle,
      );
      expect(correlation).toBeGreaterThanOrEqual(correlationMin);
      expect(faults).toEqual([]);
    });
  },
);
