import { judgeLeg, type Leg } from './judgeLeg.js';
import { LegGroup } from './LegGroup.js';
import { type Subject, type SubjectName, startSubject } from './Subject.js';
import type { Setting } from './settings.js';
import type { Witness } from './Witness.js';
import { watchLeg } from './watchLeg.js';

/** A leg of this length is one for CPU too: it begins in the steady state. */
const longSeconds = 20;

export type LegPlan = {
  name: SubjectName;
  setting: Setting;
  /** Of the output card against the input card. */
  skewPpm: number;
};

/**
 * Measures some legs over the same seconds, each with processes, sockets and cards of its own, so
 * that each meets the same mood of the machine. One that fails does not hold up the others.
 *
 * @returns what came of each, in the order of the plans
 */
export async function measureLegs(
  plans: readonly LegPlan[],
  seconds: number,
  witness: Witness,
): Promise<PromiseSettledResult<Leg>[]> {
  // One after the other: all together they would start slowly.
  const starts: PromiseSettledResult<Subject>[] = [];
  for (const plan of plans) starts.push(...(await Promise.allSettled([startPlanned(plan)])));
  const subjects = starts.flatMap((start) => (start.status === 'fulfilled' ? start.value : []));
  const warmUps = subjects.map(({ settleSeconds, warmUpSeconds }) =>
    seconds < longSeconds ? settleSeconds : warmUpSeconds,
  );
  const group = new LegGroup(subjects.length, Math.max(0, ...warmUps), seconds);
  try {
    return await Promise.allSettled(
      starts.map(async (start) => {
        if (start.status === 'rejected') throw start.reason;
        return measureLeg(start.value, group, witness);
      }),
    );
  } finally {
    group.remove();
  }
}

async function startPlanned({ name, setting, skewPpm }: LegPlan): Promise<Subject> {
  const subject = await startSubject(name, setting);
  try {
    if (skewPpm !== 0) await subject.outputCard.control('skew', String(skewPpm));
    return subject;
  } catch (error) {
    await subject.stop();
    throw error;
  }
}

async function measureLeg(subject: Subject, group: LegGroup, witness: Witness): Promise<Leg> {
  let stopped = false;
  try {
    const watched = await watchLeg(subject, group);
    stopped = true;
    const counted = await subject.stop();
    await group.meet();
    return judgeLeg(watched, counted, witness);
  } finally {
    group.leave();
    if (!stopped) await subject.stop();
  }
}
