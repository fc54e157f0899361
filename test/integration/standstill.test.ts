import { join } from 'node:path';
import type { Direction } from '@kvm-audio/client';
import { KnownSound } from '../helpers/KnownSound.js';
import { PcmRecording, pcmFormat } from '../helpers/PcmRecording.js';
import { SdkBridge } from '../helpers/SdkBridge.js';
import { TestDaemon, type TestDaemonOptions } from '../helpers/TestDaemon.js';

/** At medium. */
const packetsPerSecond = 50;
const packetMs = 1_000 / packetsPerSecond;
/** What a codec makes of silence behind sound; sound has 16,000. */
const codecNoise = 300;

let daemon: TestDaemon;
let bridge: SdkBridge | undefined;
let sound: KnownSound | undefined;

async function start(options: TestDaemonOptions = {}): Promise<void> {
  daemon = await TestDaemon.start(options);
}

async function hear(): Promise<KnownSound> {
  sound = new KnownSound(daemon);
  bridge = new SdkBridge(daemon.runtimeFolder);
  await sound.hear();
  return sound;
}

afterEach(async () => {
  bridge?.close();
  await sound?.stop();
  await daemon?.stop();
  bridge = undefined;
  sound = undefined;
});

async function waitForStream(direction: Direction, state: string) {
  const status = await daemon.waitForStatus(
    `${direction} that is ${state}`,
    (now) => now[direction].stream?.state === state,
  );
  return status[direction].stream!;
}

const cardOf = { output: 'outputCard', input: 'inputCard' } as const;

describe.each([
  { direction: 'output', fault: 'host-idle', state: 'host-idle' },
  { direction: 'input', fault: 'no-signal', state: 'no-signal' },
] as const)('a card with $fault', ({ direction, fault, state }) => {
  it(`is ${state}, which is no fault, until it goes on`, async () => {
    await start();
    const known = await hear();
    const card = daemon[cardOf[direction]];
    await waitForStream(direction, 'running');
    await card.control(fault, 'on');
    expect((await waitForStream(direction, state)).reason).toMatch(
      /^the card (takes|gives) no sound/,
    );
    await card.control(fault, 'off');
    await waitForStream(direction, 'running');
    await known.hear();
    const { restarts, stream } = (await daemon.status())[direction];
    expect(restarts).toBe(0);
    expect(stream?.clients).toBe(1);
  });
});

describe.each([
  ['output', 'playback'],
  ['input', 'capture'],
] as const)('an xrun of the card of the %s', (direction, stream) => {
  it('is counted, and neither the process nor its clients notice', async () => {
    await start();
    const known = await hear();
    const { pid } = (await daemon.status())[direction];
    await daemon[cardOf[direction]].control('xrun', stream);
    await daemon.waitForStatus('xrun', (now) => (now[direction].stream?.xruns ?? 0) > 0);
    await known.hear();
    const after = (await daemon.status())[direction];
    expect(after).toMatchObject({ pid, restarts: 0, stream: { state: 'running', clients: 1 } });
    expect(bridge?.disconnected).toEqual({ output: 0, input: 0 });
  });
});

describe.each([
  { fault: 'host-idle on', back: 'host-idle off' },
  { fault: 'host-idle on --eio', back: 'host-idle off' },
  { fault: 'suspend', back: 'resume' },
])('an output card that stands still by $fault', ({ fault, back }) => {
  const control = (line: string) => daemon.outputCard.control(...line.split(' '));
  const dropped = async () => (await daemon.status()).output.stream?.drops.card_standstill ?? 0;
  const waitForDrops = (drops: number) =>
    daemon.waitForStatus(
      `${drops} packets that were dropped`,
      ({ output }) => (output.stream?.drops.card_standstill ?? 0) >= drops,
    );

  it('drops what comes, and is not late afterwards', async () => {
    await start();
    const known = await hear();
    await control(fault);
    await waitForDrops(100);
    expect((await daemon.status()).output.stream?.state).toBe('host-idle');
    await control(back);
    await waitForStream('output', 'running');
    await known.hear();
    const { stream } = (await daemon.status()).output;
    // Before: the packets that had waited, 200 ms of them, and what the ring held.
    expect(stream?.latency.p50Ms).toBeLessThan(120);
    expect(stream?.unheardMs).toBeGreaterThan((stream?.drops.card_standstill ?? 0) * packetMs);
  });

  it('lets nothing be heard that waited for it', async () => {
    await start();
    const known = await hear();
    const recording = await PcmRecording.start(daemon.outputCard, join(daemon.folder, 'all.raw'));
    try {
      await control(fault);
      await waitForDrops(1);
      await known.stop();
      await waitForDrops((await dropped()) + 2 * packetsPerSecond);
      const { capture } = await daemon.outputCard.status();
      const before = capture.position - recording.startFrames;
      await control(back);
      await waitForStream('output', 'running');
      await recording.waitFor(before + pcmFormat.rate / 2);
      const heard = (await recording.stop()).subarray(before * pcmFormat.channels);
      expect(heard.length).toBeGreaterThan(pcmFormat.rate / 2);
      expect(heard.findIndex((sample) => Math.abs(sample) > codecNoise)).toBe(-1);
    } finally {
      await recording.abandon();
    }
    await known.hear();
  });
});

it('an output card that stands still and goes counts no sound twice', async () => {
  await start();
  await hear();
  await daemon.outputCard.control('suspend');
  const waitedMsAt = async (place: 'card_standstill' | 'no_device'): Promise<number> => {
    const { output } = await daemon.waitForStatus(
      `packets that were dropped at ${place}`,
      (now) => (now.output.stream?.drops[place] ?? 0) > 0,
    );
    const { drops, unheardMs } = output.stream!;
    return unheardMs - (drops.card_standstill + drops.no_device) * packetMs;
  };
  const standingMs = await waitedMsAt('card_standstill');
  await daemon.outputCard.control('unplug');
  expect(await waitedMsAt('no_device')).toBe(standingMs);
});

describe.each([
  ['output', 'outputCard'],
  ['input', 'inputCard'],
] as const)('a call on the card of the %s that hangs', (direction, card) => {
  it('is degraded, with the reason, until it returns', async () => {
    await start();
    const known = await hear();
    await daemon[card].control('hang', 'on');
    expect((await waitForStream(direction, 'degraded')).reason).toMatch(/has not returned/);
    await daemon[card].control('hang', 'off');
    expect((await waitForStream(direction, 'running')).reason).toBeNull();
    await known.hear();
  });

  it('for seconds costs the process; sound is back when the card is', async () => {
    await start();
    const known = await hear();
    const { pid } = (await daemon.status())[direction];
    await daemon[card].control('hang', 'on');
    const replaced = await daemon.waitForStatus(
      'another process',
      (now) => now[direction].pid !== null && now[direction].pid !== pid,
    );
    expect(replaced[direction].lastExit).toMatch(
      /^(ended by the supervisor|killed by the supervisor \(SIGKILL\)): a call on the card has not returned for \d+\.\d s$/,
    );
    await daemon[card].control('hang', 'off');
    await known.hear();
    expect((await daemon.status())[direction].restarts).toBe(1);
  });
});

it('a card that hangs while it is opened is degraded, with the reason', async () => {
  await start({ unplugged: ['output'] });
  await waitForStream('output', 'no-device');
  await daemon.outputCard.control('hang', 'on');
  await daemon.outputCard.control('replug');
  expect((await waitForStream('output', 'degraded')).reason).toMatch(/has not opened/);
  await daemon.outputCard.control('hang', 'off');
  expect((await waitForStream('output', 'idle')).reason).toBeNull();
});

describe('an input card while nobody listens', () => {
  it.each([0, 5, 5_000])(
    'that is absent is no-device, and idle when it came (lingerMs = %i)',
    async (lingerMs) => {
      await start({ unplugged: ['input'], config: { input: { lingerMs } } });
      expect((await waitForStream('input', 'no-device')).reason).toMatch(/the card is not there/);
      await daemon.inputCard.control('replug');
      expect((await waitForStream('input', 'idle')).reason).toBeNull();
    },
  );
});
