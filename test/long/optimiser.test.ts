import {
  type AudioPacket,
  copyPacket,
  type DaemonStatus,
  Listener,
  socketPath,
  Talker,
} from '@kvm-audio/client';
import type { Config } from '@kvm-audio/daemon';
import { meanMs, outputMeanMs } from '../helpers/meanLatency.js';
import { type ConfigChanges, TestDaemon } from '../helpers/TestDaemon.js';
import { waitFor } from '../helpers/waitFor.js';

/** One packet of it. */
const silence = Uint8Array.of(0xfc, 0xff, 0xfe);
const silenceMs = 20;

/** Looked at each second, so that a test need not wait for long. */
const quick = { checkMs: 1_000, settleMs: 3_000 };

let daemon: TestDaemon;
let bridge: HeldBridge | undefined;
let source: PacedSource | undefined;

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

/** A source in this process: silence, at the pace at which it is heard or faster. */
class PacedSource {
  pace = 1;
  readonly #talker: Talker;
  readonly #timer: NodeJS.Timeout;
  #sentUntilMs = performance.now();

  constructor(runtimeFolder: string) {
    const path = socketPath(runtimeFolder, 'output');
    this.#talker = new Talker({ path, client: 'paced source' });
    this.#timer = setInterval(() => this.#send(), 5);
  }

  /** Packets, all at once. */
  send(packets: number): void {
    for (let i = 0; i < packets; i++) this.#talker.send({ payload: silence });
  }

  close(): void {
    clearInterval(this.#timer);
    this.#talker.close();
  }

  #send(): void {
    const everyMs = silenceMs / this.pace;
    const due = Math.floor((performance.now() - this.#sentUntilMs) / everyMs);
    this.#sentUntilMs += due * everyMs;
    this.send(due);
  }
}

async function start(config: ConfigChanges): Promise<void> {
  daemon = await TestDaemon.start({ config });
}

afterEach(async () => {
  bridge?.close();
  source?.close();
  bridge = source = undefined;
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
    expect(output.optimiser.last).toMatch(/taken back, \d+ holes/);
  });
});

describe('a source that is ahead of what is heard', () => {
  // So small that nothing of the margin is to spare.
  const output = { targetMs: 11 };
  const late = { targetMs: 60, tolerance: 1, maxMs: 60 };
  const wholeWay = ({ output: { stream } }: DaemonStatus) => stream?.latency;

  async function play(latency: Partial<Config['latency']>): Promise<DaemonStatus> {
    await start({ output, latency });
    source = new PacedSource(daemon.runtimeFolder);
    return daemon.waitForStatus('played packets', (now) => (wholeWay(now)?.totalCount ?? 0) > 100);
  }

  it('and stays so has its backlog skipped, and is sooner when it is ahead no more', async () => {
    const before = await play({ ...quick, ...late });
    source!.pace = 2;
    const step = await daemon.waitForStatus('step', (now) => stepsOf(now).backlog > 0);
    source!.pace = 1;
    const lateMs = meanMs(wholeWay(step), wholeWay(before));
    expect(step.output.optimiser.last).toMatch(/^backlog: /);
    expect(lateMs).toBeGreaterThan(60);
    await waitFor('sooner sound', async () => (await outputMeanMs(daemon, 50)) < 60);
    const { output: after } = await daemon.status();
    expect(after.optimiser).toMatchObject({ steps: { backlog: 1, margin: 0 }, undone: 0 });
  });

  it('by one burst is back in time before the optimiser looks', async () => {
    await play(late);
    // Else the jitter buffer drops some.
    const hasRoom = ({ output: { stream } }: DaemonStatus) => (stream?.capacity.frames ?? 0) > 15;
    await daemon.waitForStatus('room for it', hasRoom);
    source!.send(15);
    const burst = await daemon.waitForStatus(
      'late packets',
      (now) => (wholeWay(now)?.maxMs ?? 0) > 150,
    );
    // Twice the time from look to look.
    const { output: after } = await daemon.waitForStatus(
      'packets after it',
      (now) => wholeWay(now)!.totalCount > wholeWay(burst)!.totalCount + 500,
    );
    expect(await outputMeanMs(daemon, 50)).toBeLessThan(60);
    expect(after.stream?.trimmedMs).toBeGreaterThan(200);
    expect(after.optimiser).toMatchObject({ steps: { backlog: 0 }, last: null });
  });
});
