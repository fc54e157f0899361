import { setTimeout as pause } from 'node:timers/promises';
import { type Direction, directions } from '@kvm-audio/client';
import { KnownSound } from '../helpers/KnownSound.js';
import { SdkBridge } from '../helpers/SdkBridge.js';
import { soundIsBackMs } from '../helpers/soundIsBack.js';
import { median } from '../helpers/statistics.js';
import { TestDaemon } from '../helpers/TestDaemon.js';

/** What is promised, however long the card was gone. */
const backMsMax = 300;
const times = 3;

const cardOf = { output: 'outputCard', input: 'inputCard' } as const;

let daemon: TestDaemon;
let bridge: SdkBridge | undefined;
let sound: KnownSound | undefined;

beforeEach(async () => {
  daemon = await TestDaemon.start();
  sound = new KnownSound(daemon);
  bridge = new SdkBridge(daemon.runtimeFolder);
  await sound.hear();
});

afterEach(async () => {
  bridge?.close();
  await sound?.stop();
  await daemon?.stop();
  bridge = sound = undefined;
});

async function pids(): Promise<unknown> {
  const status = await daemon.status();
  return directions.map((direction) => status[direction].pid);
}

async function unplug(direction: Direction): Promise<void> {
  await daemon[cardOf[direction]].control('unplug');
  await daemon.waitForStatus(
    `${direction} without a card`,
    (status) => status[direction].stream?.state === 'no-device',
  );
}

/** All that was there is there, by the same connections, and sounds. */
async function expectTheSame(before: unknown): Promise<void> {
  await sound!.hear();
  expect(await pids()).toEqual(before);
  expect(bridge!.connected).toEqual({ output: 1, input: 1 });
  expect(bridge!.disconnected).toEqual({ output: 0, input: 0 });
}

test.each(directions)(
  `the %s sounds within ${backMsMax} ms of its card’s coming back, and no client has gone`,
  async (direction) => {
    const before = await pids();
    const backMs: number[] = [];
    for (let i = 0; i < times; i++) {
      await unplug(direction);
      await pause(2_000);
      backMs.push(await soundIsBackMs[direction](daemon));
      await expectTheSame(before);
    }
    expect(median(backMs)).toBeLessThanOrEqual(backMsMax);
  },
);

test('both do after more than a minute too', async () => {
  const before = await pids();
  for (const direction of directions) await unplug(direction);
  await pause(61_000);
  const inputMs = await soundIsBackMs.input(daemon);
  // Its player lost the card.
  await sound!.play();
  const outputMs = await soundIsBackMs.output(daemon);
  await expectTheSame(before);
  expect(inputMs).toBeLessThanOrEqual(backMsMax);
  expect(outputMs).toBeLessThanOrEqual(backMsMax);
}, 180_000);
