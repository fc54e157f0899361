import type { Connection } from '@kvm-audio/protocol';
import { ClientFigures } from './ClientFigures.js';

const [one, other] = [{}, {}] as [Connection, Connection];
const stats = { framesReceived: 5, lossPercent: 1, jitterMs: 2, bufferMs: 40 };

describe('the figures of clients', () => {
  test('are the newest of each, with its name, until it goes', () => {
    const figures = new ClientFigures();
    figures.onNotification(one, 'kvm', 'client.stats', stats);
    figures.onNotification(other, 'web', 'client.stats', stats);
    figures.onNotification(one, 'kvm', 'client.stats', { ...stats, framesReceived: 9 });
    expect(figures.list()).toEqual([
      { client: 'kvm', ...stats, framesReceived: 9 },
      { client: 'web', ...stats },
    ]);
    figures.forget(one);
    figures.forget(one);
    expect(figures.list()).toHaveLength(1);
  });

  test('are checked, and what else is told is left alone', () => {
    const figures = new ClientFigures();
    figures.onNotification(one, 'kvm', 'client.mood', { good: true });
    expect(figures.list()).toEqual([]);
    const told = { ...stats, lossPercent: 101 };
    expect(() => figures.onNotification(one, 'kvm', 'client.stats', told)).toThrow(/lossPercent/);
  });
});
