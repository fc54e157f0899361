import type { Log } from '@kvm-audio/daemon';
import type { PlaybackCounters } from '@kvm-audio/native-alsa/alsa';
import { CardFaults } from './CardFaults.js';

const card = (underruns: number, xruns: number, underrunUs = 0) =>
  ({ underruns, xruns, underrunUs }) as PlaybackCounters;

test('counts over all openings of the card, and tells each underrun once with its time', () => {
  const debug = jest.fn();
  const faults = new CardFaults({ debug } as unknown as Log);
  expect(faults.look(undefined)).toEqual({ underruns: 0, xruns: 0 });
  expect(faults.look(card(0, 1))).toEqual({ underruns: 0, xruns: 1 });
  expect(debug).not.toHaveBeenCalled();
  expect(faults.look(card(2, 1, 7e6))).toEqual({ underruns: 2, xruns: 1 });
  faults.look(card(2, 1, 7e6));
  faults.end(card(3, 2, 9e6));
  expect(faults.look(undefined)).toEqual({ underruns: 3, xruns: 2 });
  expect(faults.look(card(1, 1, 11e6))).toEqual({ underruns: 4, xruns: 3 });
  expect(debug.mock.calls.map(([told]) => told)).toEqual([
    { underruns: 2, lastAtUs: 7e6 },
    { underruns: 1, lastAtUs: 9e6 },
    { underruns: 1, lastAtUs: 11e6 },
  ]);
});
