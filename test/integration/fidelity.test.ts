import { setTimeout as pause } from 'node:timers/promises';
import {
  type DaemonStatus,
  type DropPlace,
  dropPlaces,
  type PipelineReport,
  type QualityLevel,
  qualityLevels,
} from '@kvm-audio/protocol';
import { makeMaterial } from '../helpers/material.js';
import { TakeComparer } from '../helpers/TakeComparer.js';
import { TestDaemon } from '../helpers/TestDaemon.js';
import { takeThrough } from '../helpers/takeThrough.js';

/** A busy machine repeats takes. */
jest.setTimeout(1_200_000);

const backends = ['native', 'wasm'] as const;
type Backend = (typeof backends)[number];
const profiles = ['program', 'microphone'] as const;
type Profile = (typeof profiles)[number];
/** A machine that stalls makes real gaps. Such a take says nothing about fidelity. */
const takesMax = 12;
const material = makeMaterial();
/** Played before the material where the playout delay may still move: at the start, after a gap. */
const settleSeconds = 4;
/** Pipelines are asked for their figures; a correction lasts for three at least. */
const lookMs = 500;
/**
 * The shortest frames first: a longer frame takes a part of the margin, a shorter one gives it
 * more than it wants, and that is cut out of the sound in the seconds after the change.
 */
const levels = [...qualityLevels].reverse();
const settleMaterial = material.subarray(0, 2 * 48_000 * settleSeconds);

type Evidence = Record<
  'underruns' | 'xruns' | 'concealedMs' | 'trimmedMs' | 'insertedMs' | DropPlace,
  number
>;

/** What the program itself has counted so far, in reports that were made from now on. */
async function evidenceNow(daemon: TestDaemon): Promise<Evidence> {
  const reports = await daemon.freshReports();
  const sum = (count: (report: PipelineReport) => number): number =>
    reports.reduce((total, report) => total + count(report), 0);
  return {
    underruns: sum(({ underruns }) => underruns),
    xruns: sum(({ xruns }) => xruns),
    concealedMs: sum(({ concealedMs }) => concealedMs),
    trimmedMs: sum(({ trimmedMs }) => trimmedMs),
    insertedMs: sum(({ insertedMs }) => insertedMs),
    ...(Object.fromEntries(
      dropPlaces.map((place) => [place, sum(({ drops }) => drops[place])]),
    ) as Record<DropPlace, number>),
  };
}

/** The counters that rose, as words; nothing where the take was undisturbed. */
function whatRose(before: Evidence, after: Evidence): string {
  return (Object.keys(after) as (keyof Evidence)[])
    .filter((name) => after[name] > before[name])
    .map((name) => `${name} +${after[name] - before[name]}`)
    .join(', ');
}

const isResampled = ({ output }: DaemonStatus): boolean =>
  (output.stream?.correctionPpm ?? 0) !== 0;

/** A daemon with a bridge, and takes during which it reports no gap of its own. */
class Studio {
  readonly daemon: TestDaemon;
  #evidence: Evidence | undefined;
  #settled = false;

  constructor(daemon: TestDaemon) {
    this.daemon = daemon;
  }

  /** @returns what was heard, and whether that was at another pace than the card's at any time. */
  async #take(): Promise<{ recording: Int16Array; resampled: boolean }> {
    const settling = this.#settled ? [] : [settleMaterial];
    let isOver = false;
    const take = takeThrough(this.daemon, ...settling, material).finally(() => {
      isOver = true;
    });
    const watch = async (): Promise<boolean> => {
      let resampled = false;
      do {
        resampled ||= isResampled(await this.daemon.status());
        await Promise.race([take, pause(lookMs)]);
      } while (!isOver);
      return resampled || isResampled(await this.daemon.status());
    };
    // Both end before anything else is done: a player that is left would hold the card.
    const [heard, watched] = await Promise.allSettled([take, watch()]);
    if (heard.status === 'rejected') throw heard.reason;
    if (watched.status === 'rejected') throw watched.reason;
    return { recording: heard.value, resampled: watched.value };
  }

  /** While the pace is corrected nothing is where it was. */
  async #ownPace(): Promise<void> {
    await this.daemon.waitForStatus('own pace', (status) => !isResampled(status), 90_000);
  }

  /** A take with a gap that the program reports never counts. */
  async undisturbedTake(): Promise<Int16Array> {
    const stalls: string[] = [];
    this.#evidence ??= await evidenceNow(this.daemon);
    while (stalls.length < takesMax) {
      await this.#ownPace();
      const { recording, resampled } = await this.#take();
      const evidence = await evidenceNow(this.daemon);
      const rose = whatRose(this.#evidence, evidence) || (resampled ? 'another pace' : '');
      this.#evidence = evidence;
      this.#settled = rose === '';
      if (this.#settled) return recording;
      process.stderr.write(`take ${stalls.length + 1} is repeated, the program reports ${rose}\n`);
      stalls.push(rose);
    }
    throw new Error(`the program reports gaps in each of ${takesMax} takes: ${stalls.join('; ')}`);
  }
}

/** Takes of all levels, one after the other on one daemon, each set while it streams. */
class Session {
  readonly profile: Profile;
  readonly backend: Backend;
  readonly #studio: Studio;
  readonly #heard = new Map<QualityLevel, Promise<Int16Array>>();

  private constructor(profile: Profile, backend: Backend, studio: Studio) {
    this.profile = profile;
    this.backend = backend;
    this.#studio = studio;
  }

  static async open(profile: Profile, backend: Backend): Promise<Session> {
    // This is about fidelity, not latency: a busy machine is given time.
    const output = { targetMs: 120, bufferMs: 300 };
    // Nothing is to make it sooner, and nothing to queue less.
    const steady = { latency: { optimise: false }, buffers: { boundQueues: false } };
    const input = { profile, quality: levels[0]! };
    const daemon = await TestDaemon.start({
      config: { input, output, codec: { backend }, ...steady },
    });
    try {
      await daemon.bridge();
    } catch (error) {
      await daemon.stop();
      throw error;
    }
    return new Session(profile, backend, new Studio(daemon));
  }

  async heard(level: QualityLevel): Promise<Int16Array> {
    const take = this.#heard.get(level);
    if (!take) throw new Error(`no take was made at ${level}`);
    return take;
  }

  /** Resolves when each take is made, or has failed: who asks for it then hears of that. */
  async record(): Promise<void> {
    for (const level of levels) {
      const take = this.#take(level);
      this.#heard.set(level, take);
      await take.catch(() => undefined);
    }
  }

  close(): Promise<void> {
    return this.#studio.daemon.stop();
  }

  async #take(level: QualityLevel): Promise<Int16Array> {
    await this.#studio.daemon.call('quality.set', { direction: 'input', level });
    return this.#studio.undisturbedTake();
  }
}

describe('what is played is heard again', () => {
  // All at a time: a take is mostly waiting. A comparison is a second or more without an event
  // loop, too long for who has yet to say hello to a daemon: all are made after the last take.
  const sessions: Session[] = [];

  beforeAll(async () => {
    const recorded = backends.flatMap((backend) =>
      profiles.map(async (profile) => {
        const session = await Session.open(profile, backend);
        sessions.push(session);
        await session.record();
      }),
    );
    await Promise.all(recorded);
  });

  afterAll(() => Promise.all(sessions.map((session) => session.close())));

  const takes = backends.flatMap((backend) =>
    levels.flatMap((level) => profiles.map((profile) => ({ backend, level, profile }))),
  );

  test.each(takes)(
    'at $level as $profile with the $backend codec, set while it streams',
    async ({ backend, level, profile }) => {
      const session = sessions.find(
        (each) => each.profile === profile && each.backend === backend,
      )!;
      const comparer = new TakeComparer(material, { level, profile });
      const { correlation, correlationMin, faults, movedFrames } = comparer.compare(
        await session.heard(level),
      );
      expect({ faults, movedFrames }).toEqual({ faults: [], movedFrames: expect.closeTo(0, -1) });
      expect(correlation).toBeGreaterThanOrEqual(correlationMin);
    },
  );
});
