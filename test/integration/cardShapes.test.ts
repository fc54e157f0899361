import { type Direction, directions } from '@kvm-audio/client';
import { KnownSound } from '../helpers/KnownSound.js';
import { type HeardPacket, SdkBridge } from '../helpers/SdkBridge.js';
import { TestDaemon, type TestDaemonOptions } from '../helpers/TestDaemon.js';
import { NeverError, waitFor } from '../helpers/waitFor.js';

const mediaRate = 48_000;
/** Of packets whose time stamps tell the pace. */
const paceMs = 200;

let daemon: TestDaemon;
let bridge: SdkBridge;
let sound: KnownSound;

async function start(options: TestDaemonOptions): Promise<void> {
  daemon = await TestDaemon.start(options);
  sound = new KnownSound(daemon);
  bridge = new SdkBridge(daemon.runtimeFolder);
}

afterEach(async () => {
  bridge?.close();
  await sound?.stop();
  await daemon?.stop();
});

async function waitForStream(direction: Direction, state: 'no-device' | 'running') {
  await daemon.waitForStatus(
    `${direction} that is ${state}`,
    (status) => status[direction].stream?.state === state,
  );
}

describe.each([
  {
    input: { rate: 44_100, channels: 2, format: 'S32_LE' },
    output: { rate: 96_000, channels: 1, format: 'S24_3LE' },
  },
  {
    input: { rate: 96_000, channels: 1, format: 'S24_LE' },
    output: { rate: 44_100, channels: 2, format: 'S16_LE' },
  },
  {
    input: { rate: 32_000, channels: 2, format: 'S16_LE' },
    output: { rate: 48_000, channels: 2, format: 'S32_LE' },
  },
] as const)('from a card of $input to one of $output', (shapes) => {
  beforeEach(() => start({ shapes }));

  it('sound arrives, also after both were pulled out and plugged in again', async () => {
    await sound.hear();
    for (const direction of directions) {
      const card = direction === 'input' ? daemon.inputCard : daemon.outputCard;
      await card.control('unplug');
      await waitForStream(direction, 'no-device');
      await card.control('replug');
      await waitForStream(direction, 'running');
    }
    await sound.hear();
    const status = await daemon.status();
    for (const direction of directions) {
      expect(status[direction].restarts).toBe(0);
      expect(status[direction].stream?.card).toMatchObject(shapes[direction]);
    }
  });
});

/**
 * Media time that passes in a unit of time, at each packet since `fromUs`; 1 = as it should. A gap
 * makes it less.
 */
function paces(packets: readonly HeardPacket[], fromUs: number): number[] {
  const since = packets.filter(({ captureTimeUs }) => captureTimeUs! >= fromUs);
  return since.flatMap((packet) => {
    const first = since.findLast(
      ({ captureTimeUs }) => captureTimeUs! <= packet.captureTimeUs! - paceMs * 1_000,
    );
    if (!first) return [];
    const mediaUs = ((packet.mediaTime - first.mediaTime) * 1e6) / mediaRate;
    return [mediaUs / (packet.captureTimeUs! - first.captureTimeUs!)];
  });
}

const isNear = (pace: number | undefined, wanted: number): boolean =>
  pace !== undefined && Math.abs(pace - wanted) < 0.01;

/** Changes the card's clock, and waits until that was heard and then was got over. */
async function changeClock(rate: number, wrongPace: number): Promise<void> {
  const fromUs = Number(process.hrtime.bigint() / 1000n);
  await daemon.inputCard.control('rate', String(rate), '--unsaid');
  await waitFor('wrong pace', () =>
    paces(bridge.packets, fromUs).some((pace) => isNear(pace, wrongPace)),
  );
  await waitFor('right pace', () => isNear(paces(bridge.packets, fromUs).at(-1), 1));
  await daemon.waitForStatus('true rate', ({ input }) => input.stream?.card?.rate === rate);
}

describe('an output card that changes its rate', () => {
  it.each([
    ['is opened at the new one', []],
    ['unsaid is given what it plays in truth', ['--unsaid']],
  ])('%s, over the same connection', async (_, how) => {
    await start({});
    await sound.hear();
    await daemon.outputCard.control('rate', '44100', ...how);
    await waitFor('opening at 44.1 kHz', () => daemon.log.includes('"cardRate":44100'));
    await daemon.waitForStatus('stream at its own pace', ({ output }) => {
      const { state, marginMs = null, correctionPpm = 0 } = output.stream ?? {};
      return state === 'running' && marginMs !== null && marginMs < 60 && correctionPpm < 3_000;
    });
    const trimmedMs = async () => (await daemon.status()).output.stream?.trimmedMs ?? 0;
    const before = await trimmedMs();
    const from = (await daemon.status()).output.stream?.framesReceived ?? 0;
    await daemon.waitForStatus(
      'four seconds more',
      ({ output }) => (output.stream?.framesReceived ?? 0) > from + 200,
    );
    // At the wrong rate 8 % of the sound is too much.
    expect((await trimmedMs()) - before).toBeLessThan(160);
    expect((await daemon.status()).output.stream?.card?.rate).toBe(44_100);
    expect(bridge.connected).toEqual({ output: 1, input: 1 });
    expect((await daemon.status()).output.restarts).toBe(0);
  });
});

describe('an output card that begins to play at twice its rate without a word', () => {
  it.each([
    [44_100, 88_200],
    [48_000, 96_000],
  ])('%i Hz, is found out, and is never said to stand still', async (rate, twice) => {
    await start({ shapes: { output: { rate, channels: 2, format: 'S16_LE' } } });
    await sound.hear();
    await daemon.outputCard.control('rate', String(twice), '--unsaid');
    await daemon.waitForStatus('true rate', ({ output }) => {
      const { state, card } = output.stream ?? {};
      if (state === 'host-idle') throw new NeverError(`it is said to be ${state}`);
      return state === 'running' && card?.rate === twice;
    });
    expect(bridge.connected).toEqual({ output: 1, input: 1 });
    expect((await daemon.status()).output.restarts).toBe(0);
  });
});

describe('an input card that changes its rate', () => {
  it('is resampled from the new one, over the same connections', async () => {
    await start({ shapes: { input: { rate: 48_000, channels: 2, format: 'S16_LE' } } });
    await sound.hear();
    await daemon.inputCard.control('rate', '44100');
    await waitFor('opening at 44.1 kHz', async () => {
      const { capture } = await daemon.inputCard.status();
      return capture.rate === 44_100 && capture.state === 'RUNNING';
    });
    // Who plays into it opens it anew, too.
    await sound.stop();
    await sound.hear();
    expect(bridge.connected).toEqual({ output: 1, input: 1 });
    expect(daemon.log).toContain('the card runs at another rate');
    expect((await daemon.status()).input.restarts).toBe(0);
  });

  it('unsaid is converted from the rate that it has in truth, and back', async () => {
    await start({});
    await waitFor('right pace', () => isNear(paces(bridge.packets, 0).at(-1), 1));
    await changeClock(44_100, 44_100 / 48_000);
    expect((await daemon.inputCard.status()).capture.rate).toBe(48_000);
    await changeClock(48_000, 48_000 / 44_100);
    expect(bridge.connected).toEqual({ output: 1, input: 1 });
  });
});
