import { KnownSound } from '../helpers/KnownSound.js';
import { SdkBridge } from '../helpers/SdkBridge.js';
import { TestDaemon } from '../helpers/TestDaemon.js';

/** Three times what real clocks part by, so that a short test sees it. */
const skewPpm = 900;

describe('two cards whose clocks part', () => {
  it('are held together by the pace', async () => {
    const daemon = await TestDaemon.start();
    const sound = new KnownSound(daemon);
    const bridge = new SdkBridge(daemon.runtimeFolder);
    try {
      await daemon.outputCard.control('skew', String(skewPpm));
      await sound.hear();
      // Measured over some twenty seconds of a busy machine.
      await daemon.waitForStatus(
        'a drift that is known and followed',
        ({ output }) => {
          const { driftPpm, correctionPpm } = output.stream ?? {};
          const seen = driftPpm != null && Math.abs(driftPpm + skewPpm) < 100;
          return seen && Math.abs((correctionPpm ?? 0) + skewPpm) < 300;
        },
        60_000,
      );
    } finally {
      bridge.close();
      await sound.stop();
      await daemon.stop();
    }
  }, 120_000);
});
