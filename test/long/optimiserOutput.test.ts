import type { DaemonStatus } from '@kvm-audio/client';
import { hearChirps } from '../helpers/hearChirps.js';
import { loseSamples } from '../helpers/loseSamples.js';
import { outputMeanMs } from '../helpers/meanLatency.js';
import { median } from '../helpers/statistics.js';
import { type ConfigChanges, TestDaemon } from '../helpers/TestDaemon.js';
import { waitFor } from '../helpers/waitFor.js';

/** Looked at each second, so that a test need not wait for long. */
const quick = { checkMs: 1_000, settleMs: 1_000, tolerance: 1 };
/** The monitor's window, and as much again: what it tells is of the last 10 to 20 s. */
const heardSeconds = 20;
const judgedMs = 15_000;
/** The margin moves meanwhile; what the card holds is several times as much. */
const agreementMs = 10;
/** More than come until a step is judged. */
const packetsInTime = 150;
/** Where a stall of the machine took the step back, it is taken again after 20 s. */
const inTimeMs = 150_000;

jest.setTimeout(300_000);

let daemon: TestDaemon;

/** Audio goes all the way round, over an output card that holds so many periods. */
async function start(config: ConfigChanges, holdPeriods: number): Promise<void> {
  daemon = await TestDaemon.start({ config });
  await daemon.outputCard.control('hold', String(holdPeriods));
  await daemon.bridge();
}

afterEach(() => daemon.stop());

const framesPerMs = 48;
const isUndone = ({ output }: DaemonStatus) => output.optimiser.undone > 0;
const tuningOf = ({ output }: DaemonStatus) => output.stream!.tuning;

/** How late sound is heard, which is what the daemon tells. */
async function heardMs(): Promise<number> {
  const { latenciesMs, told } = await hearChirps(daemon, heardSeconds, judgedMs);
  expect(latenciesMs.length).toBeGreaterThan(100);
  const heard = median(latenciesMs);
  expect(Math.abs(heard - told.output!.endToEnd.p50Ms)).toBeLessThan(agreementMs);
  return heard;
}

async function isOpenedWith(periodMs: number, bufferMs: number): Promise<boolean> {
  const { period, buffer } = (await daemon.outputCard.status()).playback;
  return period === periodMs * framesPerMs && buffer === bufferMs * framesPerMs;
}

const ofPeriods = { periodMs: 40, bufferMs: 400 };
const ofBuffer = { periodMs: 5, bufferMs: 200, targetMsMax: 40 };

describe.each([
  ['two of its periods', { output: ofPeriods, hold: 2, heldMs: [80, 40], targetMs: 95 }],
  ['what its buffer has', { output: ofBuffer, hold: 1_000, heldMs: [200, 100], targetMs: 170 }],
])('an output card that holds %s', (_, { output, hold, heldMs: [heldMs, lessMs], targetMs }) => {
  it('is heard so late', async () => {
    await start({ output, latency: { ...quick, targetMs, optimise: false } }, hold);
    expect(await heardMs()).toBeGreaterThan(targetMs);
    expect(tuningOf(await daemon.status()).beyondMs).toBeCloseTo(heldMs!, 0);
  });

  it('is opened with less of both, and heard sooner', async () => {
    await start({ output, latency: { ...quick, targetMs } }, hold);
    await daemon.waitForStatus('step', (now) => now.output.optimiser.steps.buffer > 0);
    expect(daemon.log).toContain(`latency: buffer: the card holds ${heldMs} ms more: period`);
    const inTime = async () => (await outputMeanMs(daemon, packetsInTime)) < targetMs;
    await waitFor('sooner sound', inTime, inTimeMs);
    expect(await heardMs()).toBeLessThan(targetMs);
    expect(tuningOf(await daemon.status()).beyondMs).toBeCloseTo(lessMs!, 0);
  });
});

it('an output card that loses samples with less of both has them back', async () => {
  await start({ output: ofPeriods, latency: { ...quick, settleMs: 8_000, targetMs: 95 } }, 2);
  // What the longest margin needs, in whole periods.
  await waitFor('smaller shape', () => isOpenedWith(20, 220));
  await loseSamples(daemon, 'output');
  const { output } = await daemon.waitForStatus('undone step', isUndone);
  expect(output.optimiser).toMatchObject({ steps: { buffer: 1 }, undone: 1 });
  expect(output.optimiser.last).toMatch(/^buffer: taken back, \d+ holes/);
  await waitFor('old shape', () => isOpenedWith(40, 400));
  await waitFor('later sound', async () => (await outputMeanMs(daemon, 50)) > 105);
});
