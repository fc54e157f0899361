import { createLog, formatLine, stderrWriter } from './log.js';

describe('a log', () => {
  function lines(level: 'info' | 'debug'): {
    log: ReturnType<typeof createLog>;
    written: string[];
  } {
    const written: string[] = [];
    return { log: createLog('output', level, (line) => written.push(line)), written };
  }

  test('writes whole JSON lines with name, level, time, text and fields', () => {
    const { log, written } = lines('info');
    log.info({ client: 'kvm' }, 'source connected');
    expect(written).toHaveLength(1);
    expect(written[0]?.endsWith('\n')).toBe(true);
    expect(JSON.parse(written[0] ?? '')).toEqual({
      level: 30,
      time: expect.any(Number),
      name: 'output',
      client: 'kvm',
      msg: 'source connected',
    });
  });

  test('leaves out what is under its level', () => {
    const { log, written } = lines('info');
    log.debug('no');
    log.warn('yes');
    expect(written).toHaveLength(1);
    const all = lines('debug');
    all.log.debug('yes');
    expect(all.written).toHaveLength(1);
  });
});

describe('a line for a person', () => {
  const time = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
  const line = (fields: object): string => JSON.stringify({ time, name: 'input', ...fields });

  test('is time, level, who, what, then the other fields', () => {
    expect(formatLine(line({ level: 30, msg: 'opened', device: 'hw:0', rate: 48_000 }))).toBe(
      '03:04:05.678 INFO  input: opened device=hw:0 rate=48000\n',
    );
  });

  test('cannot change what a terminal shows around it', () => {
    const text = formatLine(
      line({ level: 30, name: 'a\x07', msg: 'b\n\x1b[2J', c: '\x9b1m', 'd\r': 1 }),
    );
    expect(text).toBe('03:04:05.678 INFO  a\\u0007: b\\u000a\\u001b[2J c="\\u009b1m" d\\u000d=1\n');
  });

  test('names each level', () => {
    const names = [10, 20, 30, 40, 50, 60, 35].map(
      (level) => formatLine(line({ level, msg: 'x' })).split(' ')[1],
    );
    expect(names).toEqual(['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL', '35']);
  });

  test.each([
    ['text', 'x: hello\n'],
    ['json', '"msg":"hello"}\n'],
    ['auto', '"msg":"hello"}\n'],
  ] as const)('is written with the format %s where nobody sits at a terminal', (format, end) => {
    const write = jest.spyOn(process.stderr, 'write').mockReturnValue(true);
    const wasTty = process.stderr.isTTY;
    process.stderr.isTTY = false;
    stderrWriter(format)(`${JSON.stringify({ level: 30, time, name: 'x', msg: 'hello' })}\n`);
    process.stderr.isTTY = wasTty;
    const written = String(write.mock.calls[0]?.[0]);
    write.mockRestore();
    expect(written.endsWith(end)).toBe(true);
  });
});
