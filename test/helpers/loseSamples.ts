import type { DaemonStatus, Direction } from '@kvm-audio/client';
import type { TestDaemon } from './TestDaemon.js';

const xrunsMade = 5;

/** The card of a direction has some xruns, each of which is heard of. */
export async function loseSamples(daemon: TestDaemon, direction: Direction): Promise<void> {
  const [card, side] =
    direction === 'input' ? [daemon.inputCard, 'capture'] : [daemon.outputCard, 'playback'];
  const xrunsOf = (status: DaemonStatus) => status[direction].stream?.xruns ?? 0;
  const before = xrunsOf(await daemon.status());
  for (let xruns = 1; xruns <= xrunsMade; xruns++) {
    await card.control('xrun', side);
    await daemon.waitForStatus('xrun', (now) => xrunsOf(now) >= before + xruns);
  }
}
