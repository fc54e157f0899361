import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type AudioPacket,
  copyPacket,
  type DaemonStatus,
  Listener,
  socketPath,
  Talker,
} from '@kvm-audio/client';
import { makeProgramme, programmeFormat } from '../../packages/cli/src/demo/programme.js';
import { CpuHog } from '../helpers/CpuHog.js';
import { CpuThief } from '../helpers/CpuThief.js';
import { outputMeanMs } from '../helpers/meanLatency.js';
import { playOn } from '../helpers/PcmRecording.js';
import { type ConfigChanges, TestDaemon } from '../helpers/TestDaemon.js';
import type { TestProcess } from '../helpers/TestProcess.js';
import { waitFor } from '../helpers/waitFor.js';

/** Looked at each second, so that a test need not wait for long. */
const quick = { checkMs: 1_000, settleMs: 3_000 };

let daemon: TestDaemon;
let bridge: HeldBridge | undefined;
let thief: CpuThief | undefined;
let hog: CpuHog | undefined;
let player: TestProcess | undefined;

/** A bridge in this process that passes packets on in bursts. */
class HeldBridge {
  /** Packets that are held until there are so many. */
  burst = 1;
  readonly #held: AudioPacket[] = [];
  readonly #listener: Listener;
  readonly #talker: Talker;

  constructor(runtimeFolder: string) {
    const client = 'held bridge';
    this.#listener = new Listener({ path: socketPath(runtimeFolder, 'input'), client });
    this.#talker = new Talker({ path: socketPath(runtimeFolder, 'output'), client });
    this.#listener.on('packet', (packet) => {
      this.#held.push(copyPacket(packet));
      if (this.#held.length < this.burst) return;
      for (const held of this.#held.splice(0)) this.#talker.send(held);
    });
  }

  close(): void {
    this.#listener.close();
    this.#talker.close();
  }
}

async function start(config: ConfigChanges): Promise<void> {
  daemon = await TestDaemon.start({ config });
}

afterEach(async () => {
  await thief?.stop();
  await hog?.stop();
  bridge?.close();
  await player?.stop('SIGKILL');
  thief = hog = bridge = player = undefined;
  await daemon?.stop();
});

const stepsOf = ({ output }: DaemonStatus) => output.optimiser.steps;

describe('an output that is configured with much more margin than it needs', () => {
  const config = { output: { targetMs: 150, bufferMs: 400 }, latency: quick };

  it('has less, and sounds sooner by that', async () => {
    await start(config);
    await daemon.bridge();
    expect((await daemon.status()).output.stream?.tuning.targetMs).toBeGreaterThan(100);
    const { output } = await daemon.waitForStatus('step', (now) => stepsOf(now).margin > 0);
    expect(output.optimiser.last).toMatch(/^margin: /);
    await daemon.waitForStatus(
      'smaller margin',
      (now) => (now.output.stream?.tuning.targetMs ?? 150) < 100,
    );
    expect(daemon.log).toContain('latency: margin');
    await waitFor('sooner sound', async () => (await outputMeanMs(daemon, 50)) < 120);
  });

  it('has it back where packets come too late for less', async () => {
    await start({ ...config, latency: { ...quick, settleMs: 8_000 } });
    bridge = new HeldBridge(daemon.runtimeFolder);
    await daemon.waitForStatus('step', (now) => stepsOf(now).margin > 0);
    bridge.burst = 6;
    const { output } = await daemon.waitForStatus(
      'step that is taken back',
      (now) => now.output.optimiser.undone > 0 && now.output.stream?.tuning.targetMs === 150,
    );
    expect(output.optimiser.last).toMatch(/taken back, underruns rose/);
  });
});

it('an input that lacks CPU has less complexity, and encodes faster by that', async () => {
  await start({
    input: { profile: 'program', keepOpen: true },
    codec: { complexity: 10 },
    // By its own the capturing thread would go before whoever takes the core.
    realtime: { fifoPriority: 0 },
    // Late is what has a frame: that there is something to do shows the cause alone.
    latency: { ...quick, targetMs: 10, tolerance: 1, maxMs: 10, settleMs: 600_000 },
  });
  const track = join(daemon.folder, 'programme.raw');
  // Short and without speech, as the costs of a frame depend on what it holds.
  const music = makeProgramme().subarray(0, 2.5 * programmeFormat.rate * programmeFormat.channels);
  const bytes = Buffer.from(music.buffer, music.byteOffset, music.byteLength);
  writeFileSync(track, Buffer.concat(Array(160).fill(bytes)));
  player = playOn(daemon.inputCard, track);
  const encodeMs = ({ input }: DaemonStatus): number => input.stream?.stages.encode?.p50Ms ?? 0;
  const busy = await daemon.waitForStatus(
    'encoding of the programme',
    (now) => (now.input.stream?.stages.encode?.totalCount ?? 0) > 500,
  );
  expect(busy.input.stream?.tuning.complexity).toBe(10);
  // Not in step with the frames.
  hog = new CpuHog(busy.input.pid!, { busyMs: 18, idleMs: 5 });
  const { input } = await daemon.waitForStatus(
    'step',
    (now) => (now.input.stream?.tuning.complexity ?? 10) < 10,
  );
  expect(input.optimiser.steps.cpu).toBe(1);
  expect(input.stream?.tuning.complexity).toBe(5);
  await hog.stop();
  hog = undefined;
  await daemon.waitForStatus('faster encoding', (now) => encodeMs(now) < 0.9 * encodeMs(busy));
});

it('an input card that is late has a shorter period, which is taken back if of no use', async () => {
  await start({
    input: { keepOpen: true },
    codec: { complexity: 0 },
    latency: { ...quick, targetMs: 10, tolerance: 1, maxMs: 10 },
  });
  const { input } = await daemon.waitForStatus(
    'capture',
    (now) => (now.input.stream?.framesReceived ?? 0) > 50,
  );
  expect(input.stream?.tuning.periodMs).toBe(5);
  // The thread that reads the card comes late: to the pipeline that is the card.
  thief = new CpuThief(input.pid!, { stoppedMs: 45, runningUs: 3_000 });
  await daemon.waitForStatus('shorter period', (now) => now.input.stream?.tuning.periodMs === 2.5);
  const changed = await daemon.waitForStatus(
    'old period',
    (now) => now.input.optimiser.undone > 0 && now.input.stream?.tuning.periodMs === 5,
  );
  expect(changed.input.optimiser.steps.buffer).toBeGreaterThan(0);
  await thief.stop();
  thief = undefined;
  const { framesReceived } = changed.input.stream!;
  await daemon.waitForStatus(
    'capture that goes on',
    (now) => (now.input.stream?.framesReceived ?? 0) > framesReceived + 100,
  );
  expect((await daemon.status()).input).toMatchObject({
    restarts: 0,
    stream: { state: 'running' },
  });
});
