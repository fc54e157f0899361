import { cardTime } from '../helpers/cardTime.js';
import { readPcm } from '../helpers/PcmRecording.js';
import { mixDown, splitChannels } from '../helpers/signal.js';
import { silences } from '../helpers/silences.js';
import { chirpLatencies } from './chirpLatencies.js';
import { cpuPercent } from './processUsage.js';
import type { Counters } from './Subject.js';
import type { Witness } from './Witness.js';
import type { Readings, Watched } from './watchLeg.js';

/** So much exact silence under music is a gap. */
const gapFramesMin = 48;
/** From its beginning until the last sample before its silence is heard, and some silence. */
const underrunUsMax = 10_000;

type Stretch = { fromUs: number; untilUs: number };
export type Gap = Stretch & { machineWasBad: boolean };

export type Leg = Readings & {
  seconds: number;
  /** Of each chirp that was found, in the order of time. */
  latenciesMs: number[];
  lostChirps: number;
  /** Silence that was heard where sound was due. */
  gaps: Gap[];
  /** Underruns that were too short for a gap, as far as the subject tells when they were. */
  unheard: Gap[];
  /** Of the underruns that were counted, those whose time is known. */
  told: number;
  /** The card's own under- and overruns, both cards. */
  cardXruns: number;
  /** What the subject itself counted, where it cannot say so before its end: since its start. */
  counted: Counters | undefined;
  /** Per process, in percent of one core. */
  cpuPercent: Record<string, number>;
};

/**
 * Finds the chirps and the gaps in what was recorded. Takes a core for a good while: not for as
 * long as another leg is watched.
 *
 * @param counted by the subject at its end, where it has not said before
 */
export function judgeLeg(watched: Watched, counted: Counters | undefined, witness: Witness): Leg {
  const { before, after, dryUs, readings } = watched;
  const [fromUs, untilUs] = [before.cpu.atMs * 1000, after.cpu.atMs * 1000];
  const judged = (stretch: Stretch): Gap => ({
    ...stretch,
    machineWasBad: witness.wasBad(stretch.fromUs, stretch.untilUs),
  });
  const sound = listen(watched);
  const gaps = sound.gaps.map(judged);
  const unheard = dryUs
    .filter((atUs) => atUs >= fromUs && atUs < untilUs)
    .map((atUs) => ({ fromUs: atUs, untilUs: atUs + underrunUsMax }))
    .filter((dry) => !gaps.some((gap) => gap.fromUs < dry.untilUs && gap.untilUs > dry.fromUs))
    .map(judged);
  return {
    ...readings,
    seconds: (untilUs - fromUs) / 1e6,
    latenciesMs: sound.latenciesMs,
    lostChirps: sound.lostChirps,
    gaps,
    unheard,
    told: dryUs.length,
    cardXruns: after.xruns - before.xruns,
    counted: difference(after.counters, before.counters) ?? counted,
    cpuPercent: cpuPercent(before.cpu, after.cpu),
  };
}

function difference(after: Counters | undefined, before: Counters | undefined) {
  if (!after || !before) return undefined;
  return {
    underruns: after.underruns - before.underruns,
    xruns: after.xruns - before.xruns,
    concealedMs: after.concealedMs - before.concealedMs,
    splicedMs: after.splicedMs - before.splicedMs,
    dropped: after.dropped - before.dropped,
  };
}

/** Every chirp that was played in the measured time: when it was heard, by the cards' clocks. */
function listen({ heard, input, output, before, after }: Watched) {
  const { atMs: fromMs } = before.cpu;
  const { atMs: untilMs } = after.cpu;
  const pcm = readPcm(heard.file);
  const recordedFrom = heard.startFrames;
  const time = cardTime(output);
  const frameHeardAt = (ms: number): number => Math.round(time.frameAt(ms) - recordedFrom);
  const gaps = silences(pcm, frameHeardAt(fromMs), frameHeardAt(untilMs), gapFramesMin).map(
    ({ from, until }) => ({
      fromUs: time.msAt(recordedFrom + from) * 1000,
      untilUs: time.msAt(recordedFrom + until) * 1000,
    }),
  );
  const sound = mixDown(splitChannels(pcm, 2));
  return { ...chirpLatencies({ sound, recordedFrom, input, output }, fromMs, untilMs), gaps };
}
