import { setTimeout as pause } from 'node:timers/promises';
import type { PipelineReport } from '@kvm-audio/client';
import { KnownSound } from '../helpers/KnownSound.js';
import { sum } from '../helpers/statistics.js';
import { TestDaemon } from '../helpers/TestDaemon.js';

const skewsPpm = [300, -300];
/** What is promised of the drift that is told, and from when on. */
const knownPpm = 5;
const knownAfterMs = 120_000;
/** What is promised of the margin. */
const marginOffMsMax = 2;
/** From then on nothing is left of the start. */
const settledAfterMs = 60_000;
/** A machine that is busy all the time shows nothing. */
const quietMin = 5;
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

    /**
     * What came between two looks, where nothing had to be made up then nor before: else the
     * machine stood still, and what is put in or cut out is for that.
     */
    const quiet = (fromMs: number) => {
      const stretches = reports.slice(1).map(({ afterMs, report }, i) => {
        const before = reports[i]!;
        return {
          afterMs,
          isQuiet: report.concealedMs === (reports[i - 1] ?? before).report.concealedMs,
          underruns: report.underruns - before.report.underruns,
          trimmedMs: report.trimmedMs - before.report.trimmedMs,
          insertedMs: report.insertedMs - before.report.insertedMs,
          marginOffMs: Math.abs(report.marginMs! - report.targetMs!),
        };
      });
      const found = stretches.filter(({ afterMs, isQuiet }) => isQuiet && afterMs > fromMs);
      expect(found.length).toBeGreaterThan(quietMin);
      return found;
    };

    test('the pace alone holds them together: no underrun, no cutting, no putting in', () => {
      const stretches = quiet(settledAfterMs);
      const sums = (['underruns', 'trimmedMs', 'insertedMs'] as const).map((name) =>
        sum(stretches.map((each) => each[name])),
      );
      expect(sums).toEqual([0, 0, 0]);
    });

    test(`the margin stays within ${marginOffMsMax} ms of what it is to be`, () => {
      const offMs = quiet(knownAfterMs).map(({ marginOffMs }) => marginOffMs);
      expect(Math.max(...offMs)).toBeLessThan(marginOffMsMax);
    });
  });
});
