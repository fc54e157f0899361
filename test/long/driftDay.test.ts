import { mediaRate } from '@kvm-audio/protocol';
import { Random } from '../helpers/random.js';
import { type PlayoutSecond, PlayoutSimulation } from '../simulation/PlayoutSimulation.js';
import { trace } from '../simulation/Trace.js';

jest.setTimeout(1_800_000);

const skewsPpm = [300, -300];
const daySeconds = 86_400;
/** From then on nothing is left of the start. */
const settledSeconds = 60;
/** What is promised of the fill, as a mean of each second. */
const offMsMax = 2;

class Day {
  readonly skewPpm: number;
  /** Of the settled part: by how much a second's fill was under and over its goal. */
  readonly offMs = { least: 0, most: 0 };
  readonly goalMs = { least: Number.POSITIVE_INFINITY, most: 0 };
  simulation: PlayoutSimulation | undefined;

  constructor(skewPpm: number) {
    this.skewPpm = skewPpm;
  }

  /** A source on this machine, whose packets come within fractions of a millisecond. */
  play(): void {
    const random = new Random(1);
    this.simulation = new PlayoutSimulation({
      arrivals: trace({
        seconds: daySeconds,
        frameMs: 20,
        local: true,
        fate: () => ({ delayMs: 0.2 - 0.3 * Math.log(1 - random.next()) }),
      }),
      seconds: daySeconds,
      cardSkewPpm: this.skewPpm,
      onSecond: (second) => this.#note(second),
    }).run();
  }

  #note({ index, fillMs, goalMs }: PlayoutSecond): void {
    if (index < settledSeconds) return;
    const { offMs, goalMs: goal } = this;
    offMs.least = Math.min(offMs.least, fillMs - goalMs);
    offMs.most = Math.max(offMs.most, fillMs - goalMs);
    goal.least = Math.min(goal.least, goalMs);
    goal.most = Math.max(goal.most, goalMs);
  }
}

// The program's own jitter buffer, player, drift controller and resampler, in virtual time.
describe('24 simulated hours on cards whose clocks part', () => {
  const days = skewsPpm.map((skewPpm) => new Day(skewPpm));

  beforeAll(() => {
    for (const day of days) day.play();
  });

  test.each(days)('by $skewPpm ppm have no underrun, no skip and nothing made up', (day) => {
    const { card, counters, delays } = day.simulation!;
    expect(card.underruns).toBe(0);
    expect(counters).toMatchObject({ trimmedFrames: 0, insertedFrames: 0, concealedFrames: 0 });
    expect(delays.count).toBeGreaterThan(daySeconds * (mediaRate / 960) - 10);
  });

  test.each(days)(`by $skewPpm ppm keep their fill within ${offMsMax} ms of the goal`, (day) => {
    const { offMs, goalMs, simulation } = day;
    const text = [offMs.least, offMs.most, goalMs.least, goalMs.most].map((ms) => ms.toFixed(2));
    const { meanMs, mostMs } = simulation!.delays;
    process.stdout.write(
      `${day.skewPpm} ppm: fill ${text[0]} to ${text[1]} ms off its goal of ${text[2]} to ${text[3]} ms, ` +
        `delay ${meanMs.toFixed(1)} ms on average, ${mostMs.toFixed(1)} at most\n`,
    );
    expect(offMs.least).toBeGreaterThan(-offMsMax);
    expect(offMs.most).toBeLessThan(offMsMax);
  });
});
