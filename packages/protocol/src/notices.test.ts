import { clientNotices, readNotice, serverNotices } from './notices.js';

const feedback = { lossPercent: 1.5, jitterMs: 3, playoutDelayMs: 42.5 };
const stats = { framesReceived: 2 ** 40, lossPercent: 0, jitterMs: 1.25, bufferMs: 60 };

describe('a notification', () => {
  test('is read by its name, with its fields and no others', () => {
    expect(readNotice(serverNotices, 'source.feedback', { ...feedback, more: 1 })).toEqual({
      method: 'source.feedback',
      params: feedback,
    });
    expect(readNotice(clientNotices, 'client.stats', { ...stats, more: 1 })).toEqual({
      method: 'client.stats',
      params: stats,
    });
    expect(readNotice(serverNotices, 'source.replaced', { by: 'other' })).toEqual({
      method: 'source.replaced',
      params: { by: 'other' },
    });
  });

  test.each(['', 'client.stats', 'toString', '__proto__', 'source.feedback2'])(
    'that is not in the map (%j) is none',
    (method) => expect(readNotice(serverNotices, method, feedback)).toBeUndefined(),
  );

  test.each([
    ['lossPercent', -1],
    ['lossPercent', 100.1],
    ['lossPercent', Number.NaN],
    ['jitterMs', '3'],
    ['jitterMs', 60_001],
    ['playoutDelayMs', Number.POSITIVE_INFINITY],
    ['playoutDelayMs', null],
    ['playoutDelayMs', undefined],
  ])('source.feedback is refused where %s is %p', (field, value) => {
    expect(() =>
      readNotice(serverNotices, 'source.feedback', { ...feedback, [field]: value }),
    ).toThrow(
      expect.objectContaining({ code: 'BAD_PARAMS', data: { path: `source.feedback.${field}` } }),
    );
  });

  test.each([
    ['framesReceived', 1.5],
    ['framesReceived', -1],
    ['framesReceived', 2 ** 60],
    ['lossPercent', 101],
    ['jitterMs', -0.1],
    ['bufferMs', true],
    ['bufferMs', undefined],
  ])('client.stats is refused where %s is %p', (field, value) => {
    expect(() => readNotice(clientNotices, 'client.stats', { ...stats, [field]: value })).toThrow(
      expect.objectContaining({ code: 'BAD_PARAMS', data: { path: `client.stats.${field}` } }),
    );
  });

  test.each([null, [], 'x', 1])('that carries no map but %j is refused', (params) => {
    expect(() => readNotice(serverNotices, 'source.feedback', params)).toThrow(/must be a map/);
  });
});
