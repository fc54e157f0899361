import { createChannelLog } from './channelLog.js';
import type { LogRecord } from './LogRecord.js';

describe('the log of a pipeline', () => {
  test('sends text and fields from its level on', () => {
    const sent: LogRecord[] = [];
    const log = createChannelLog('info', (record) => sent.push(record) > 0);
    log.debug('no');
    log.info('plain');
    log.warn({ client: 'kvm' }, 'with fields');
    expect(sent).toEqual([
      { level: 'info', message: 'plain', fields: {} },
      { level: 'warn', message: 'with fields', fields: { client: 'kvm' } },
    ]);
  });

  test('says what an error is', () => {
    const sent: LogRecord[] = [];
    const log = createChannelLog('info', (record) => sent.push(record) > 0);
    log.error({ error: Object.assign(new TypeError('boom'), { code: 'E' }) }, 'refused');
    expect(sent[0]?.fields.error).toEqual({
      type: 'TypeError',
      message: 'boom',
      code: 'E',
      stack: expect.stringContaining('channelLog.test'),
    });
  });

  test('counts what was dropped and says so with the next line', () => {
    const sent: LogRecord[] = [];
    let room = false;
    const log = createChannelLog('info', (record) => {
      if (room) sent.push(record);
      return room;
    });
    log.info('one');
    log.info('two');
    room = true;
    log.info('three');
    log.info('four');
    expect(sent).toEqual([
      { level: 'info', message: 'three', fields: {}, dropped: 2 },
      { level: 'info', message: 'four', fields: {} },
    ]);
  });
});
