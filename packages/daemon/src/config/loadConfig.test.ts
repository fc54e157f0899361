import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { exitCodes, FatalError } from '../exitCodes.js';
import { checkConfig, loadConfig } from './loadConfig.js';
import { configSchema } from './schema.js';

const folder = mkdtempSync(join(tmpdir(), 'ka-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function fatalOf(run: () => unknown): FatalError {
  try {
    run();
  } catch (error) {
    if (error instanceof FatalError) return error;
    throw error;
  }
  throw new Error('it was taken');
}

function fileOf(text: string | Buffer): string {
  const path = join(folder, 'config.toml');
  writeFileSync(path, text);
  return path;
}

const sections = [
  'output',
  'input',
  'codec',
  'buffers',
  'clients',
  'control',
  'realtime',
  'latency',
  'log',
] as const;

describe('a configuration', () => {
  test('may be empty: every key has a default or needs none', () => {
    const config = checkConfig({}, 'defaults');
    expect(Object.keys(config)).toEqual([...sections]);
    expect(config).toEqual(loadConfig(undefined));
    expect(config.output).toMatchObject({ device: 'auto', quality: 'medium', targetMsMax: 150 });
    expect(config.input).toMatchObject({ profile: 'microphone', keepOpen: false, lingerMs: 5_000 });
  });

  test('has defaults that it takes itself', () => {
    const config = checkConfig({}, 'defaults');
    expect(checkConfig(JSON.parse(JSON.stringify(config)), 'again')).toEqual(config);
  });

  test('says of each key what it means', () => {
    for (const section of Object.values(configSchema.shape)) {
      const fields = Object.entries(section.def.innerType.shape);
      expect(fields.length).toBeGreaterThan(0);
      for (const [key, field] of fields) {
        expect([key, field.description?.length ?? 0]).toEqual([key, expect.any(Number)]);
        expect(field.description).toBeTruthy();
      }
    }
  });

  test('is frozen through and through', () => {
    const config = checkConfig({ output: { device: 'hw:1' } }, 'x');
    expect(Object.isFrozen(config)).toBe(true);
    for (const section of sections) expect(Object.isFrozen(config[section])).toBe(true);
    expect(() => Object.assign(config.output, { device: 'hw:2' })).toThrow(TypeError);
  });

  test('is read from a TOML file', () => {
    const path = fileOf(
      '[output]\ndevice = "hw:UAC2Gadget"\nframeMs = 2.5\n[log]\nlevel = "debug"\n',
    );
    const config = loadConfig(path);
    expect(config.output).toMatchObject({ device: 'hw:UAC2Gadget', frameMs: 2.5 });
    expect(config.log.level).toBe('debug');
    expect(config.input).toEqual(checkConfig({}, 'x').input);
  });

  test.each([
    ['output', { targetMs: 3 }],
    ['output', { targetMs: 150 }],
    ['output', { targetMs: 500, targetMsMax: 500 }],
    ['output', { periodMs: 1 }],
    ['input', { bufferMs: 1_000 }],
    ['input', { frameMs: 60 }],
    ['input', { lingerMs: 0 }],
    ['codec', { complexity: 0 }],
    ['codec', { complexity: 10, expectedLossPercent: 100 }],
    ['buffers', { minFrames: 1, startFrames: 80, maxFrames: 80 }],
    ['buffers', { minFrames: 6, maxFrames: 6, sizeSmoothing: 1 }],
    ['buffers', { cpuLowPercent: 0, cpuHighPercent: 1_000, latencyWeight: 0 }],
    ['realtime', { fifoPriority: 0, niceness: -20 }],
    ['realtime', { fifoPriority: 10, niceness: 19 }],
  ])('takes the bounds themselves: %s %o', (section, fields) => {
    expect(checkConfig({ [section]: fields }, 'x')).toMatchObject({ [section]: fields });
  });
});

describe('etc/config.toml', () => {
  const path = fileURLToPath(new URL('../../../../etc/config.toml', import.meta.url));

  test('holds every key with its default', () => {
    expect(loadConfig(path)).toEqual(checkConfig({}, 'defaults'));
    const text = readFileSync(path, 'utf8');
    for (const [section, { def }] of Object.entries(configSchema.shape)) {
      expect(text).toContain(`[${section}]`);
      for (const key of Object.keys(def.innerType.shape)) {
        expect(text).toMatch(new RegExp(`^(# )?${key} = `, 'm'));
      }
    }
  });
});

describe('a mistake in it', () => {
  const fifo = join(folder, 'fifo');
  execFileSync('mkfifo', [fifo]);
  const large = join(folder, 'large');
  writeFileSync(large, '# comment\n'.repeat(104_858));

  test.each([
    [{ output: { targetMs: 2.9 } }, 'output.targetMs = 2.9: must be at least 3'],
    [{ output: { targetMs: 501 } }, 'output.targetMs = 501: must be at most 500'],
    [{ output: { targetMs: 151 } }, 'output.targetMs: 151 is more than targetMsMax = 150'],
    [
      { output: { targetMs: 11, targetMsMax: 10 } },
      'output.targetMs: 11 is more than targetMsMax = 10',
    ],
    [{ output: { channels: 3 } }, 'output.channels = 3: must be at most 2'],
    [{ output: { channels: 1.5 } }, 'output.channels = 1.5: must be a whole number'],
    [{ output: { channels: '2' } }, 'output.channels = "2": must be a whole number'],
    [{ clients: { uids: ['bob'] } }, 'clients.uids.0 = "bob": must be a whole number'],
    [{ clients: { uids: 1000 } }, 'clients.uids = 1000: must be a list'],
    [{ output: { periodMs: '5' } }, 'output.periodMs = "5": must be a number'],
    [{ output: { device: 1 } }, 'output.device = 1: must be a text'],
    [
      { output: { quality: 'best' } },
      'output.quality = "best": must be one of low, medium, high, ultra',
    ],
    [{ output: { frameMs: 30 } }, 'output.frameMs = 30: must be one of 2.5, 5, 10, 20, 40, 60'],
    [{ input: { periodMs: 60 } }, 'input.bufferMs: 100 is less than twice periodMs = 60'],
    [{ input: { keepOpen: 'yes' } }, 'input.keepOpen = "yes": must be true or false'],
    [
      { input: { profile: 'music' } },
      'input.profile = "music": must be one of microphone, program',
    ],
    [{ codec: { complexity: 11 } }, 'codec.complexity = 11: must be at most 10'],
    [{ codec: { expectedLossPercent: -1 } }, 'codec.expectedLossPercent = -1: must be at least 0'],
    [{ buffers: { maxFrames: 81 } }, 'buffers.maxFrames = 81: must be at most 80'],
    [{ buffers: { sizeSmoothing: 0 } }, 'buffers.sizeSmoothing = 0: must be more than 0'],
    [
      { buffers: { cpuHighPercent: 20 } },
      'buffers.cpuHighPercent: 20 is not more than cpuLowPercent = 20',
    ],
    [
      { buffers: { memoryLowPercent: 80 } },
      'buffers.memoryHighPercent: 75 is not more than memoryLowPercent = 80',
    ],
    [
      { buffers: { latencyTargetMs: 50 } },
      'buffers.latencyMaxMs: 50 is not more than latencyTargetMs = 50',
    ],
    [{ buffers: { startFrames: 2 } }, 'buffers.startFrames: 2 is less than minFrames = 3'],
    [{ buffers: { maxFrames: 5 } }, 'buffers.maxFrames: 5 is less than startFrames = 6'],
    [
      { buffers: { minFrames: 20, maxFrames: 3 } },
      'buffers.maxFrames: 3 is less than minFrames = 20',
    ],
    [{ realtime: { fifoPriority: 99 } }, 'realtime.fifoPriority = 99: must be at most 10'],
    [{ latency: { maxMs: 40 } }, 'latency.maxMs: 40 is less than targetMs = 50'],
    [{ latency: { tolerance: 0.9 } }, 'latency.tolerance = 0.9: must be at least 1'],
    [{ log: { level: 3 } }, 'log.level = 3: must be one of error, warn, info, debug, trace'],
    [{ output: 'loud' }, 'output = "loud": must be a section'],
    [{ output: { device: '' } }, 'output.device = "": must not be empty'],
    [
      { output: { device: 'a\0b' } },
      'output.device = "a\\u0000b": must not hold control characters',
    ],
    [
      { input: { device: '\x9b31m' } },
      'input.device = "\\u009b31m": must not hold control characters',
    ],
    [
      { input: { device: 'x'.repeat(1_000) } },
      `input.device = "${'x'.repeat(199)}…: must be at most 128 characters long`,
    ],
    [{ 'in\x1b[31m\nput': {} }, 'unknown key in\\u001b[31m\\u000aput'],
    [{ output: { volume: 5 } }, 'unknown key output.volume'],
    [{ outptu: {} }, 'unknown key outptu'],
  ])('%o is one line with file, key, value and bound', (raw, text) => {
    const error = fatalOf(() => checkConfig(raw, '/etc/kvm.toml'));
    expect(error.message).toBe(`/etc/kvm.toml: ${text}`);
    expect(error.exitCode).toBe(exitCodes.configuration);
  });

  test('is told with all others, on one line', () => {
    const raw = { output: { targetMs: 1, x: 1, y: 2 }, input: { bufferMs: 1_001 } };
    const { message } = fatalOf(() => checkConfig(raw, 'f'));
    expect(message).toBe(
      'f: output.targetMs = 1: must be at least 3; unknown key output.x, output.y; ' +
        'input.bufferMs = 1001: must be at most 1000',
    );
  });

  test('of a file names the file', () => {
    const path = fileOf('[output]\ntargetMs = 1\n');
    expect(fatalOf(() => loadConfig(path)).message).toBe(
      `${path}: output.targetMs = 1: must be at least 3`,
    );
  });

  test('that is no TOML is one line with file, line and column', () => {
    const path = fileOf('[output]\ntargetMs = \n');
    const error = fatalOf(() => loadConfig(path));
    expect(error.message).toMatch(/config\.toml:2:\d+: not TOML: (?!Invalid)\w/);
    expect(error.message).not.toContain('\n');
    expect(error.exitCode).toBe(exitCodes.configuration);
  });

  test.each([
    ['is missing', join(folder, 'missing.toml'), 'ENOENT'],
    ['is a folder', folder, 'EISDIR'],
    ['is a device', '/dev/zero', 'it is no regular file'],
    ['is a FIFO', fifo, 'it is no regular file'],
    ['is too large', large, 'it has more than 1048576 bytes'],
  ])('is a file that %s', (_, path, code) => {
    const error = fatalOf(() => loadConfig(path));
    expect(error.message).toBe(`${path}: cannot be read (${code})`);
    expect(error.exitCode).toBe(64);
  });

  test.each([
    ['[output]\ndevice = "h\xfcl"\n', ':2: not UTF-8: byte 0xfc at offset 20'],
    ['\xff', ':1: not UTF-8: byte 0xff at offset 0'],
    ['# \xef\xbf\xbd \xc3\xa4\n# \xe2\x82\n', ':2: not UTF-8: byte 0xe2 at offset 11'],
    ['# \xef\xbf!', ':1: not UTF-8: byte 0xef at offset 2'],
  ])('is a byte that is no UTF-8, told with line and offset: %j', (bytes, text) => {
    const path = fileOf(Buffer.from(bytes, 'latin1'));
    const error = fatalOf(() => loadConfig(path));
    expect(error.message).toBe(`${path}${text}`);
    expect(error.exitCode).toBe(64);
  });

  test('is no byte order mark', () => {
    const path = fileOf('\ufeff[output]\ntargetMs = 20\n');
    expect(loadConfig(path).output.targetMs).toBe(20);
  });

  test.each(['nan', 'inf', '-inf'])('is named with its value where that is %s', (value) => {
    const path = fileOf(`[output]\ntargetMs = ${value}\n`);
    expect(fatalOf(() => loadConfig(path)).message.toLowerCase()).toContain(value);
  });
});
