import { type Direction, directions, packetFlags } from '@kvm-audio/client';
import { KnownSound } from '../helpers/KnownSound.js';
import { SdkBridge } from '../helpers/SdkBridge.js';
import { TestDaemon, type TestDaemonOptions } from '../helpers/TestDaemon.js';

const other = { output: 'input', input: 'output' } as const;
const cardOf = { output: 'outputCard', input: 'inputCard' } as const;
/** Of a frame at level medium. */
const frameSamples = 960;

/** Sound that waits for a card, at most. */
const waitingMsMax = 200;

/** As the time stamps of packets have it. */
const monotonicUs = (): number => Number(process.hrtime.bigint() / 1000n);

let daemon: TestDaemon;
let bridge: SdkBridge;
let sound: KnownSound;

async function start(options: TestDaemonOptions = {}): Promise<void> {
  daemon = await TestDaemon.start(options);
  sound = new KnownSound(daemon);
  bridge = new SdkBridge(daemon.runtimeFolder);
}

afterEach(async () => {
  bridge?.close();
  await sound?.stop();
  await daemon?.stop();
});

/** Of both pipelines: what a lost card must not change. */
async function processes(): Promise<unknown> {
  const status = await daemon.status();
  return directions.map((direction) => {
    const { pid, state, restarts, stream } = status[direction];
    return { direction, pid, state, restarts, clients: stream?.clients };
  });
}

async function waitForStream(direction: Direction, state: 'no-device' | 'running') {
  await daemon.waitForStatus(
    `${direction} that is ${state}`,
    (status) => status[direction].stream?.state === state,
  );
}

describe('while sound plays', () => {
  beforeEach(async () => {
    await start();
    await sound.hear();
  });

  describe.each([{ errno: 'ENODEV' }, { errno: 'EBADFD' }])(
    'a card that is pulled out ($errno) and plugged in again',
    ({ errno }) => {
      it('on the output is played on again, over the same connection', async () => {
        const before = await processes();
        await daemon.outputCard.control('unplug', '--errno', errno);
        await waitForStream('output', 'no-device');
        expect(await processes()).toEqual(before);
        await daemon.waitForStatus(
          'packets that are dropped, and counted',
          ({ output }) => (output.stream?.drops.no_device ?? 0) > 10,
        );
        await daemon.outputCard.control('replug');
        await waitForStream('output', 'running');
        await sound.hear();
        expect(await processes()).toEqual(before);
        expect(bridge.connected).toEqual({ output: 1, input: 1 });
        expect(bridge.disconnected).toEqual({ output: 0, input: 0 });
      });

      it('on the output counts for how long nothing was heard', async () => {
        const now = async () => (await daemon.status()).output.stream!;
        const before = await now();
        const fromUs = monotonicUs();
        await daemon.outputCard.control('unplug', '--errno', errno);
        await daemon.waitForStatus(
          'second of which nothing was heard',
          ({ output }) => (output.stream?.unheardMs ?? 0) >= before.unheardMs + 1_000,
        );
        await daemon.outputCard.control('replug');
        await waitForStream('output', 'running');
        const goneMs = (monotonicUs() - fromUs) / 1000;
        await sound.hear();
        const { drops, unheardMs } = await now();
        const noDevice = drops.no_device - before.drops.no_device;
        // Besides what came there is what waited when it went, if anything did.
        expect(unheardMs - before.unheardMs).toBeGreaterThanOrEqual(noDevice * 20);
        expect(unheardMs - before.unheardMs).toBeLessThan(goneMs + waitingMsMax);
        await daemon.freshReports();
        expect((await now()).unheardMs).toBe(unheardMs);
      });

      it('on the input goes on in the same stream, which tells of the gap', async () => {
        const before = await processes();
        await daemon.inputCard.control('unplug', '--errno', errno);
        const pulledUs = monotonicUs();
        await waitForStream('input', 'no-device');
        expect(await processes()).toEqual(before);
        const pluggedUs = monotonicUs();
        await daemon.inputCard.control('replug');
        await waitForStream('input', 'running');
        await sound.hear();
        expect(await processes()).toEqual(before);
        expect(bridge.connected).toEqual({ output: 1, input: 1 });
        expect(bridge.disconnected).toEqual({ output: 0, input: 0 });

        const since = bridge.packets.filter(({ captureTimeUs }) => captureTimeUs! > pulledUs);
        expect(since[0]!.captureTimeUs).toBeGreaterThan(pluggedUs);
        expect(since[0]!.flags & packetFlags.discontinuity).not.toBe(0);
        await daemon.waitForStatus(
          'drops for the listener that are all it missed',
          ({ input: { stream } }) => stream?.drops.send_queue_full === bridge.missed,
        );
        bridge.packets.slice(1).forEach(({ seq, mediaTime }, i) => {
          const last = bridge.packets[i]!;
          expect(seq).toBeGreaterThan(last.seq);
          expect(mediaTime - last.mediaTime).toBe(frameSamples * (seq - last.seq));
        });
      });
    },
  );

  it.each(directions)(
    'kill -9 of the %s pipeline is got over by the same bridge',
    async (direction) => {
      const before = await daemon.status();
      process.kill(before[direction].pid!, 'SIGKILL');
      await daemon.waitForStatus(
        'new process',
        (now) => now[direction].restarts === 1 && now[direction].state === 'running',
      );
      await sound.hear();
      const after = await daemon.status();
      expect(after[direction]).toMatchObject({ restarts: 1, stream: { clients: 1 } });
      expect(after[direction].pid).not.toBe(before[direction].pid);
      expect(after[other[direction]]).toMatchObject({
        pid: before[other[direction]].pid,
        restarts: 0,
      });
      expect(bridge.connected).toEqual({ [direction]: 2, [other[direction]]: 1 });
      expect(bridge.disconnected[other[direction]]).toBe(0);
    },
  );
});

describe('cards that are missing at the start', () => {
  it('are taken when they come', async () => {
    await start({ unplugged: directions });
    for (const direction of directions) await waitForStream(direction, 'no-device');
    for (const direction of directions) await daemon[cardOf[direction]].control('replug');
    for (const direction of directions) await waitForStream(direction, 'running');
    await sound.hear();
    expect(await processes()).toMatchObject(directions.map(() => ({ restarts: 0, clients: 1 })));
    expect(bridge.connected).toEqual({ output: 1, input: 1 });
  });
});
