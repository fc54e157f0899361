import type { Leg } from './judgeLeg.js';
import { type LegPlan, measureLegs } from './measureLegs.js';
import { type PeerName, peerNames } from './peers.js';
import type { Results, Row } from './results.js';
import type { SubjectName } from './Subject.js';
import { type Setting, settingOf } from './settings.js';
import type { Witness } from './Witness.js';

/** A leg of the latency or drift part. */
export type ListenedLeg = LegPlan & {
  what: string;
  seconds: number;
  keep: (leg: Leg) => void;
};

export type LatencyPlan = {
  settings: readonly Setting[];
  peers: readonly PeerName[];
  /** Whether each leg lasts `longest`. */
  long: boolean;
  seconds: { longest: number; peers: number; short: number };
};

/** Where a latency of its own is promised: each start meets the machine's clocks at another moment. */
const startsOf: Readonly<Record<string, number>> = { ultra: 3, '5ms': 3 };
const peerSettings = ['medium', 'ultra'];
const skewsPpm = [300, -300];

/** Makes the rows, and returns what is to be measured of each. */
export function latencyLegs(results: Results, plan: LatencyPlan): ListenedLeg[] {
  return plan.settings.flatMap((setting) => {
    const row: Row = { setting, legs: {} };
    results.rows.push(row);
    return runsOf(setting, plan).map(([name, seconds]) => ({
      ...{ name, setting, skewPpm: 0, seconds, what: `${setting.name}, ${name}` },
      keep: (leg: Leg) => {
        row.legs[name] = [...(row.legs[name] ?? []), leg];
      },
    }));
  });
}

function runsOf(
  { name, profile }: Setting,
  { peers, long, seconds }: LatencyPlan,
): [SubjectName, number][] {
  const both = (length: number): [SubjectName, number][] => [
    ['kvm-audio', length],
    ['yardstick', length],
  ];
  const others = (length: number): [SubjectName, number][] =>
    peerSettings.includes(name) ? peers.map((peer) => [peer, length]) : [];
  if (long) return [...both(seconds.longest), ...others(seconds.longest)];
  if (profile === 'microphone') return [['kvm-audio', seconds.short]];
  if (name !== 'medium') {
    const takes = Array.from({ length: startsOf[name] ?? 1 }, () => both(seconds.short));
    return [...takes.flat(), ...others(seconds.short)];
  }
  return [...both(seconds.longest), ...others(seconds.peers)];
}

export function driftLegs(results: Results, seconds: number): ListenedLeg[] {
  return skewsPpm.map((skewPpm) => ({
    ...{ name: 'kvm-audio', setting: settingOf('medium'), skewPpm, seconds },
    what: `drift of ${skewPpm} ppm, kvm-audio`,
    keep: (leg) => results.drift.push({ skewPpm, leg }),
  }));
}

/**
 * @param legs of the same length; they are measured at the same time
 * @param skip is told of each that could not be measured
 */
export async function listen(
  legs: readonly ListenedLeg[],
  witness: Witness,
  skip: (what: string, error: Error, isOurs: boolean) => void,
): Promise<void> {
  const { seconds } = legs[0] ?? { seconds: 0 };
  process.stderr.write(`${legs.map(({ what }) => what).join('; ')}: ${seconds} s\n`);
  const ends = await measureLegs(legs, seconds, witness);
  for (const [i, { what, name, keep }] of legs.entries()) {
    const end = ends[i];
    const isOurs = !peerNames.some((peer) => peer === name);
    if (end?.status === 'fulfilled') keep(end.value);
    else skip(what, end?.reason, isOurs);
  }
}
