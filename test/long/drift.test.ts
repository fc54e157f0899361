import { setTimeout as pause } from 'node:timers/promises';
import type { PipelineReport } from '@kvm-audio/client';
import { KnownSound } from '../helpers/KnownSound.js';
import { TestDaemon } from '../helpers/TestDaemon.js';

const skewsPpm = [300, -300];
/** What is promised of the drift that is told, and from when on. */
const knownPpm = 5;
const knownAfterMs = 120_000;
const watchedMs = 600_000;

/** Bridged onto a card whose clock is off, with a sound that is heard all the time. */
class SkewedDaemon {
  readonly skewPpm: number;
  readonly reports: { afterMs: number; report: PipelineReport }[] = [];
  #daemon: TestDaemon | undefined;
  #sound: KnownSound | undefined;

  constructor(skewPpm: number) {
    this.skewPpm = skewPpm;
  }

  async watch(): Promise<void> {
    const daemon = await TestDaemon.start();
    this.#daemon = daemon;
    await daemon.outputCard.control('skew', String(this.skewPpm));
    // A process of its own: this one stands still while it listens.
    await daemon.bridge();
    const sound = new KnownSound(daemon);
    this.#sound = sound;
    await sound.hear();
    const startedMs = performance.now();
    for (let afterMs = 0; afterMs < watchedMs; afterMs = performance.now() - startedMs) {
      await pause(3_000);
      await sound.hear();
      const { stream } = (await daemon.status()).output;
      this.reports.push({ afterMs, report: stream! });
    }
  }

  async stop(): Promise<void> {
    await this.#sound?.stop();
    await this.#daemon?.stop();
  }
}

describe('ten minutes on cards whose clocks part', () => {
  const daemons = skewsPpm.map((skewPpm) => new SkewedDaemon(skewPpm));

  beforeAll(() => Promise.all(daemons.map((each) => each.watch())), watchedMs + 180_000);

  afterAll(() => Promise.all(daemons.map((each) => each.stop())));

  describe.each(daemons)('by $skewPpm ppm', ({ skewPpm, reports }) => {
    const known = () => reports.filter(({ afterMs }) => afterMs > knownAfterMs);

    test(`the drift is told to ${knownPpm} ppm after two minutes`, () => {
      const off = known().map(({ report }) => Math.abs((report.driftPpm ?? Infinity) + skewPpm));
      expect(off.length).toBeGreaterThan(20);
      expect(Math.max(...off)).toBeLessThan(knownPpm);
    });

    test('the pace alone holds them together, no cutting and no putting in', () => {
      const reported = known().map(({ report }) => report);
      const [first, last] = [reported[0]!, reported.at(-1)!];
      const cutMs = last.trimmedMs - first.trimmedMs - (last.insertedMs - first.insertedMs);
      // A busy machine makes some of both; what the clocks part by would all be of one.
      const partedMs = (Math.abs(skewPpm) / 1e6) * (watchedMs - knownAfterMs);
      expect(Math.abs(cutMs)).toBeLessThan(partedMs / 2);
    });
  });
});
