import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DaemonStatus } from '@kvm-audio/client';
import { makeProgramme, programmeFormat } from '../../packages/cli/src/demo/programme.js';
import { CpuHog } from '../helpers/CpuHog.js';
import { CpuThief } from '../helpers/CpuThief.js';
import { loseSamples } from '../helpers/loseSamples.js';
import { meanMs, nextMeanMs } from '../helpers/meanLatency.js';
import { playOn } from '../helpers/PcmRecording.js';
import { type ConfigChanges, TestDaemon } from '../helpers/TestDaemon.js';
import type { TestProcess } from '../helpers/TestProcess.js';
import { waitFor } from '../helpers/waitFor.js';

/** Looked at each second, so that a test need not wait for long. */
const quick = { checkMs: 1_000, settleMs: 3_000 };

let daemon: TestDaemon;
let thief: CpuThief | undefined;
let hog: CpuHog | undefined;
let player: TestProcess | undefined;

async function start(config: ConfigChanges): Promise<void> {
  daemon = await TestDaemon.start({ config });
}

afterEach(async () => {
  await thief?.stop();
  await hog?.stop();
  await player?.stop('SIGKILL');
  thief = hog = player = undefined;
  await daemon?.stop();
});

const stepsOf = ({ input }: DaemonStatus) => input.optimiser.steps;
const tuningOf = ({ input }: DaemonStatus) => input.stream?.tuning;
const framesOf = ({ input }: DaemonStatus) => input.stream?.framesReceived ?? 0;
const wholeWay = ({ input }: DaemonStatus) => input.stream?.latency;
const captureWait = ({ input }: DaemonStatus) => input.stream?.stages.capture_wait;
const encode = ({ input }: DaemonStatus) => input.stream?.stages.encode;

describe('an input that lacks CPU', () => {
  // Short and without speech, as the costs of a frame depend on what it holds.
  const { rate, channels } = programmeFormat;
  const music = Buffer.from(makeProgramme().slice(0, 2.5 * rate * channels).buffer);
  // JavaScript has this encoder, and comes behind whoever takes the core.
  const codec = { backend: 'wasm' } as const;

  /** Somebody takes the core of a stream that is under way. Not in step with its frames. */
  async function starve(busyMs: number, idleMs: number): Promise<void> {
    const track = join(daemon.folder, 'programme.raw');
    writeFileSync(track, Buffer.concat(Array(160).fill(music)));
    player = playOn(daemon.inputCard, track);
    const { input } = await daemon.waitForStatus('programme', (now) => framesOf(now) > 200);
    hog = new CpuHog(input.pid!, { busyMs, idleMs });
  }

  it('has less complexity, and is sooner by that; with lost samples it has it back', async () => {
    const latency = { checkMs: 2_000, settleMs: 25_000, targetMs: 42, tolerance: 1 };
    const input = { profile: 'program', quality: 'low', frameMs: 40, keepOpen: true } as const;
    await start({ input, codec: { ...codec, complexity: 10 }, latency });
    await starve(17, 1.5);
    await daemon.waitForStatus('step', (now) => tuningOf(now)?.complexity === 5);
    const lessEncodeMs = await nextMeanMs(daemon, 250, encode);
    const lessMs = await nextMeanMs(daemon, 50, wholeWay);
    await loseSamples(daemon, 'input');
    const { input: judged } = await daemon.waitForStatus(
      'old complexity',
      (now) => now.input.optimiser.undone > 0 && tuningOf(now)?.complexity === 10,
    );
    expect(judged.optimiser).toMatchObject({ steps: { cpu: 1 }, undone: 1 });
    expect(judged.optimiser.last).toMatch(/^cpu: taken back, \d+ holes/);
    const encodeMs = await nextMeanMs(daemon, 250, encode);
    expect(lessEncodeMs).toBeLessThan(0.85 * encodeMs);
    expect(lessMs).toBeLessThan((await nextMeanMs(daemon, 50, wholeWay)) - 2);
  });

  it('has its complexity back where that is of no use', async () => {
    const latency = { checkMs: 5_000, settleMs: 10_000, targetMs: 22, tolerance: 1 };
    const input = { profile: 'program', keepOpen: true } as const;
    await start({ input, codec: { ...codec, complexity: 1 }, latency });
    await starve(17, 2.5);
    const step = await daemon.waitForStatus('step', (now) => tuningOf(now)?.complexity === 0);
    // There is even less for it now.
    await hog?.stop();
    hog = new CpuHog(step.input.pid!, { busyMs: 27, idleMs: 3.4 });
    const { input: judged } = await daemon.waitForStatus(
      'old complexity',
      (now) => now.input.optimiser.undone > 0 && tuningOf(now)?.complexity === 1,
    );
    expect(judged.optimiser).toMatchObject({
      steps: { cpu: 1 },
      undone: 1,
      last: 'cpu: taken back, latency did not fall',
    });
  });
});

describe('an input whose period is much longer than it need be', () => {
  // A frame is complete when the next period ends: 25 ms late on average.
  const config = {
    input: { keepOpen: true, frameMs: 60, periodMs: 55, bufferMs: 220 },
    codec: { complexity: 0 },
    latency: { ...quick, targetMs: 70, tolerance: 1 },
  } as const;

  it('has it halved until it is in time', async () => {
    await start(config);
    const first = await daemon.waitForStatus('step', (now) => stepsOf(now).buffer === 1);
    const beforeMs = meanMs(captureWait(first));
    await waitFor('sooner sound', async () => (await nextMeanMs(daemon, 50, wholeWay)) < 70);
    const waitMs = await nextMeanMs(daemon, 50, captureWait);
    const { input } = await daemon.status();
    expect(beforeMs).toBeGreaterThan(20);
    expect(waitMs).toBeLessThan(beforeMs - 10);
    expect(input.optimiser).toMatchObject({ steps: { cpu: 0 }, undone: 0 });
    expect(input.optimiser.steps.buffer).toBeGreaterThan(1);
    expect(input.stream?.tuning.periodMs).toBeLessThan(14);
  });

  it('has it back where samples are lost with less', async () => {
    await start({ ...config, latency: { ...config.latency, settleMs: 8_000 } });
    await daemon.waitForStatus('step', (now) => tuningOf(now)?.periodMs === 27.5);
    await loseSamples(daemon, 'input');
    const { input } = await daemon.waitForStatus(
      'old period',
      (now) => now.input.optimiser.undone > 0 && tuningOf(now)?.periodMs === 55,
    );
    expect(input.optimiser).toMatchObject({ steps: { buffer: 1 }, undone: 1 });
    expect(input.optimiser.last).toMatch(/^buffer: taken back, \d+ holes/);
    await waitFor('later sound', async () => (await nextMeanMs(daemon, 50, captureWait)) > 20);
  });
});

it('an input card that is late has a shorter period, which is taken back if of no use', async () => {
  await start({
    input: { keepOpen: true },
    codec: { complexity: 0 },
    latency: { ...quick, targetMs: 10, tolerance: 1, maxMs: 10 },
  });
  const { input } = await daemon.waitForStatus('capture', (now) => framesOf(now) > 50);
  expect(input.stream?.tuning.periodMs).toBe(5);
  // The thread that reads the card comes late: to the pipeline that is the card.
  thief = new CpuThief(input.pid!, { stoppedMs: 45, runningUs: 3_000 });
  await daemon.waitForStatus('shorter period', (now) => tuningOf(now)?.periodMs === 2.5);
  const changed = await daemon.waitForStatus(
    'old period',
    (now) => now.input.optimiser.undone > 0 && tuningOf(now)?.periodMs === 5,
  );
  expect(stepsOf(changed).buffer).toBeGreaterThan(0);
  await thief.stop();
  thief = undefined;
  await daemon.waitForStatus(
    'capture that goes on',
    (now) => framesOf(now) > framesOf(changed) + 100,
  );
  expect((await daemon.status()).input).toMatchObject({
    restarts: 0,
    stream: { state: 'running' },
  });
});
