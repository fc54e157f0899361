import { callMethod, controlChecks, pipelineChecks } from './ControlMethods.js';
import { checkSocketPath } from './checkSocketPath.js';
import { errorCodes, ProtocolError } from './errors.js';
import { bool, integer, nothing, nullable, oneOf, optional, real, shape, text } from './fields.js';
import { checkStreamFormat } from './format.js';
import { runtimeFolder, socketPath } from './paths.js';
import { dropPlaces, noDrops } from './status.js';

const refusal = (message: string) => expect.objectContaining({ code: 'BAD_PARAMS', message });

describe('a check of a field', () => {
  test.each([
    ['true or false', bool, [true, false], [0, 'true', null, undefined]],
    ['an integer', integer(1, 3), [1, 2, 3], [0, 4, 1.5, Number.NaN, '2', null, 2n]],
    ['a number', real(0, 1), [0, 0.5, 1], [-0.1, 1.1, Number.NaN, '0.5', null]],
    ['a text', text(4), ['', 'abcd', 'ää'], ['abcde', 'äää', 4, null]],
    ['a choice', oneOf(['a', 2]), ['a', 2], ['b', '2', 3, null, undefined]],
    ['nothing', nothing, [null, undefined, {}, { more: 1 }], [1, 'x', true]],
  ] as const)('for %s takes what fits and refuses the rest', (_, check, good, bad) => {
    for (const value of good) expect(() => check(value, 'x')).not.toThrow();
    for (const value of bad) {
      expect(() => check(value, 'x')).toThrow(expect.objectContaining({ code: 'BAD_PARAMS' }));
    }
  });

  test('names path, bound and value in its error', () => {
    expect(() => integer(1, 3)(7, 'params.n')).toThrow(
      refusal('params.n must be an integer from 1 to 3, not number 7'),
    );
    expect(() => oneOf(['a', 'b'])(null, 'params.c')).toThrow(
      refusal('params.c must be one of a, b, not nil'),
    );
    expect(() => text(3)([], 'params.t')).toThrow(
      refusal('params.t must be a string of at most 3 bytes, not an array'),
    );
    expect(() => shape({ n: integer(1, 3) })({}, 'params')).toThrow(
      refusal('params.n is missing (must be an integer from 1 to 3)'),
    );
  });

  test.each([
    ['best', '"best"'],
    ['', '""'],
    ['a"b\\', '"a\\"b\\\\"'],
    ['\x1b[31m\n\x9b\u202e', '"\\u001b[31m\\n\\u009b\\u202e"'],
    ['x'.repeat(64), `"${'x'.repeat(64)}"`],
    ['x'.repeat(65), `"${'x'.repeat(64)}"…`],
    ['😀'.repeat(60_000), `"${'😀'.repeat(64)}"…`],
  ])('shows a text as it is, on one line and not for ever: %#', (value, shown) => {
    expect(() => oneOf(['a', 'b'])(value, 'params.c')).toThrow(
      refusal(`params.c must be one of a, b, not ${shown}`),
    );
  });

  test('nil is missing where a field may be missing, and nil where it may be nil', () => {
    expect(optional(bool)(null, 'x')).toBeUndefined();
    expect(optional(bool)(undefined, 'x')).toBeUndefined();
    expect(nullable(bool)(undefined, 'x')).toBeNull();
    expect(nullable(bool)(false, 'x')).toBe(false);
  });

  test('of a map takes its fields, drops others, and names a bad one with its path', () => {
    const check = shape({ n: integer(0, 9), inner: shape({ b: bool }), o: optional(bool) });
    expect(check({ n: 1, inner: { b: true, x: 1 }, y: 2 }, 'p')).toEqual({
      n: 1,
      inner: { b: true },
    });
    expect(() => check({ n: 1, inner: { b: 1 } }, 'p')).toThrow(
      refusal('p.inner.b must be true or false, not number 1'),
    );
    for (const value of [null, [], 'x', 1])
      expect(() => check(value, 'p')).toThrow(/p must be a map/);
  });

  test('of a stream format takes each legal frame length and no other', () => {
    const format = {
      codec: 'opus',
      level: 'low',
      rate: 24_000,
      channels: 1,
      frameMs: 2.5,
      bitrate: 32_000,
      application: 'voip',
      maxPacketBytes: 4_096,
      lookaheadSamples: 312,
      clock: null,
    };
    for (const frameMs of [2.5, 5, 10, 20, 40, 60]) {
      expect(checkStreamFormat({ ...format, frameMs }, 'f')).toEqual({ ...format, frameMs });
    }
    for (const wrong of [{ frameMs: 30 }, { channels: 3 }, { maxPacketBytes: 4_097 }]) {
      expect(() => checkStreamFormat({ ...format, ...wrong }, 'f')).toThrow(ProtocolError);
    }
  });
});

describe('a call of a method', () => {
  const methods = {
    'status.get': () => 'status',
    'quality.list': () => [],
    'quality.get': (params: unknown) => params,
    'quality.set': (params: unknown) => params,
  } as unknown as Parameters<typeof callMethod<Parameters<typeof String>>>[1];
  const call = (method: string, params: unknown) =>
    callMethod(controlChecks as never, methods as never, method, params);

  test('gives it its checked parameters', () => {
    expect(call('quality.set', { direction: 'input', level: 'low', more: 1 })).toEqual({
      direction: 'input',
      level: 'low',
    });
    expect(call('quality.get', {})).toEqual({});
    expect(call('status.get', null)).toBe('status');
    for (const none of [null, undefined]) expect(call('quality.get', none)).toEqual({});
  });

  test.each(['status', 'status.get.more', 'toString', '__proto__', 'constructor', ''])(
    'that does not exist (%j) is UNKNOWN_METHOD, which lists those that do',
    (method) => {
      expect(() => call(method, {})).toThrow(
        expect.objectContaining({
          code: 'UNKNOWN_METHOD',
          data: { methods: Object.keys(controlChecks) },
        }),
      );
    },
  );

  test.each([
    ['params.level', { direction: 'input', level: 'best' }],
    ['params.direction', { direction: 'up', level: 'low' }],
    ['params.direction', { level: 'low' }],
    ['params', null],
  ])('with a bad %s is BAD_PARAMS', (path, params) => {
    expect(() => call('quality.set', params)).toThrow(
      expect.objectContaining({ code: 'BAD_PARAMS', data: { path } }),
    );
  });

  test('has a check for each method of a pipeline', () => {
    expect(Object.keys(pipelineChecks).sort()).toEqual([
      'backlog.skip',
      'buffer.set',
      'pipeline.stop',
      'quality.get',
      'quality.list',
      'quality.set',
      'report.get',
      'tuning.set',
    ]);
  });
});

describe('an error', () => {
  test.each(errorCodes)('%s is the same after the wire', (code) => {
    const error = new ProtocolError(code, 'why', { a: 1 });
    const back = ProtocolError.fromWire(JSON.parse(JSON.stringify(error.toWire())));
    expect(back).toMatchObject({
      code,
      message: 'why',
      retryable: error.retryable,
      data: { a: 1 },
    });
  });

  test('without facts sends none', () => {
    expect(new ProtocolError('FORBIDDEN', 'no').toWire()).toEqual({
      code: 'FORBIDDEN',
      message: 'no',
      retryable: false,
    });
  });

  const strange = [{ code: { toString: 1 } }, { message: { valueOf: 1 }, data: ['no map'] }];
  test.each([
    ...[null, undefined, 1, 'x', [], {}, { code: 'NEW' }, { code: 1, message: 2, data: 3 }],
    ...strange,
  ])('that is %j on the wire is INTERNAL here', (value) => {
    expect(ProtocolError.fromWire(value)).toMatchObject({ code: 'INTERNAL', data: undefined });
  });

  test('codes are in order, each once', () => {
    expect([...errorCodes]).toEqual([...new Set(errorCodes)].sort());
  });
});

describe('paths', () => {
  test('are those of KVM_AUDIO_RUNTIME_DIR before all others', () => {
    expect(runtimeFolder({ KVM_AUDIO_RUNTIME_DIR: '/a', XDG_RUNTIME_DIR: '/b' })).toBe('/a');
  });

  test('are absolute, also where the variable is not', () => {
    expect(runtimeFolder({ KVM_AUDIO_RUNTIME_DIR: './run/../r' })).toBe(`${process.cwd()}/r`);
  });

  test('are in XDG_RUNTIME_DIR for an ordinary user, in /run for root', () => {
    const uid = jest.spyOn(process, 'getuid');
    uid.mockReturnValue(1_000);
    expect(runtimeFolder({ XDG_RUNTIME_DIR: '/b' })).toBe('/b/kvm-audio');
    expect(runtimeFolder({})).toBe('/run/kvm-audio');
    uid.mockReturnValue(0);
    expect(runtimeFolder({ XDG_RUNTIME_DIR: '/b' })).toBe('/run/kvm-audio');
    uid.mockRestore();
  });

  test('name the sockets', () => {
    const names = (['control', 'output', 'input'] as const).map((name) => socketPath('/r', name));
    expect(names).toEqual(['/r/control.sock', '/r/output.sock', '/r/input.sock']);
  });

  test('of 107 bytes fit in a socket address, of 108 they do not', () => {
    expect(() => checkSocketPath('x'.repeat(107))).not.toThrow();
    expect(() => checkSocketPath('x'.repeat(108))).toThrow(/108 bytes, 107 is the limit: xxx/);
    expect(() => checkSocketPath('ä'.repeat(54))).toThrow(/108 bytes/);
  });
});

test('a fresh count of drops has every place, at zero', () => {
  expect(Object.keys(noDrops())).toEqual([...dropPlaces]);
  expect(Object.values(noDrops()).every((count) => count === 0)).toBe(true);
});
