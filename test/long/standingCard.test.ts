import { setTimeout as pause } from 'node:timers/promises';
import { KnownSound } from '../helpers/KnownSound.js';
import { outputMeanMs } from '../helpers/meanLatency.js';
import { SdkBridge } from '../helpers/SdkBridge.js';
import { TestDaemon } from '../helpers/TestDaemon.js';

/** What is promised: after so long there is no more delay than before, and no restart. */
const standsMs = 10_000;
const latenessMsMax = 10;
const packets = 100;

const cardOf = { output: 'outputCard', input: 'inputCard' } as const;

let daemon: TestDaemon;
let bridge: SdkBridge | undefined;
let sound: KnownSound | undefined;

afterEach(async () => {
  bridge?.close();
  await sound?.stop();
  await daemon?.stop();
  bridge = sound = undefined;
});

test.each([
  { direction: 'output', fault: 'host-idle on', back: 'host-idle off', state: 'host-idle' },
  { direction: 'output', fault: 'host-idle on --eio', back: 'host-idle off', state: 'host-idle' },
  { direction: 'output', fault: 'suspend', back: 'resume', state: 'host-idle' },
  { direction: 'input', fault: 'no-signal on', back: 'no-signal off', state: 'no-signal' },
  { direction: 'input', fault: 'suspend', back: 'resume', state: 'no-signal' },
] as const)(
  'ten seconds of $fault on the card of the $direction leave no delay behind',
  async ({ direction, fault, back, state }) => {
    daemon = await TestDaemon.start({ config: { input: { profile: 'program' } } });
    const card = daemon[cardOf[direction]];
    sound = new KnownSound(daemon);
    bridge = new SdkBridge(daemon.runtimeFolder);
    await sound.hear();
    const beforeMs = await outputMeanMs(daemon, packets);
    const before = await daemon.status();

    await card.control(...fault.split(' '));
    await daemon.waitForStatus(state, (now) => now[direction].stream?.state === state);
    await pause(standsMs);
    expect((await daemon.status())[direction].stream?.state).toBe(state);

    await card.control(...back.split(' '));
    await daemon.waitForStatus('sound', (now) => now[direction].stream?.state === 'running');
    await sound.hear();
    const afterMs = await outputMeanMs(daemon, packets);
    expect(afterMs - beforeMs).toBeLessThan(latenessMsMax);
    for (const each of ['output', 'input'] as const) {
      const { pid } = before[each];
      expect((await daemon.status())[each]).toMatchObject({ pid, restarts: 0 });
    }
    expect(bridge.disconnected).toEqual({ output: 0, input: 0 });
  },
);
