import type { DaemonStatus } from '@kvm-audio/client';
import { KnownSound } from '../helpers/KnownSound.js';
import { SdkBridge } from '../helpers/SdkBridge.js';
import { TestDaemon, type TestDaemonOptions } from '../helpers/TestDaemon.js';
import { waitFor } from '../helpers/waitFor.js';

/** Three times what real clocks part by, so that a short test sees it. */
const skewPpm = 900;
/** It takes twenty seconds without a step in between; a busy machine has many of those. */
const knownMsMax = 240_000;

/** A daemon that plays on a card whose clock is off, bridged, with a sound going through it. */
async function onSkewedCard(
  skew: number,
  options: TestDaemonOptions,
  test: (daemon: TestDaemon, bridge: SdkBridge) => Promise<void>,
): Promise<void> {
  const daemon = await TestDaemon.start(options);
  const sound = new KnownSound(daemon);
  const bridge = new SdkBridge(daemon.runtimeFolder);
  try {
    await daemon.outputCard.control('skew', String(skew));
    await sound.hear();
    await test(daemon, bridge);
  } finally {
    bridge.close();
    await sound.stop();
    await daemon.stop();
  }
}

/** Measured over some twenty seconds of a busy machine. */
function isFollowed({ output }: DaemonStatus, ppm: number): boolean {
  const { driftPpm, correctionPpm } = output.stream ?? {};
  const seen = driftPpm != null && Math.abs(driftPpm - ppm) < 100;
  return seen && Math.abs((correctionPpm ?? 0) - ppm) < 300;
}

// Both at a time: they mostly wait.
describe('two cards whose clocks part', () => {
  it.concurrent('are held together by the pace', async () => {
    await onSkewedCard(skewPpm, {}, async (daemon) => {
      const { output } = await daemon.waitForStatus(
        'a drift that is known and followed',
        (status) => isFollowed(status, -skewPpm),
        knownMsMax,
      );
      expect(output.stream?.correctedBy).toBe('resampler');
    });
  }, 400_000);

  it.concurrent("are held together by the card's own pitch control, where it has one", async () => {
    await onSkewedCard(-skewPpm, { pitched: ['output'] }, async (daemon, bridge) => {
      const { outputCard } = daemon;
      const by = new Set<string>();
      await daemon.waitForStatus(
        'a drift that is known and followed',
        (status) => {
          by.add(status.output.stream?.correctedBy ?? 'nothing');
          return isFollowed(status, skewPpm);
        },
        knownMsMax,
      );
      expect(by).toContain('pitch');
      expect(by).not.toContain('resampler');
      expect(Math.abs((await outputCard.pitch()) - 1_000_000 - skewPpm)).toBeLessThan(400);

      await outputCard.control('pitch', 'off');
      await daemon.waitForStatus(
        'the resampler in its place',
        ({ output }) => output.stream?.correctedBy === 'resampler',
      );
      await outputCard.control('pitch', 'on');
      await daemon.waitForStatus(
        'the pitch control again',
        ({ output }) => output.stream?.correctedBy === 'pitch',
      );

      bridge.close();
      await waitFor('a nominal pitch', async () => (await outputCard.pitch()) === 1_000_000);
    });
  }, 400_000);
});
