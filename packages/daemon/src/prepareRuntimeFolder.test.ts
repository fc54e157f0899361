import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exitCodes } from './exitCodes.js';
import { prepareRuntimeFolder } from './prepareRuntimeFolder.js';

const folder = mkdtempSync(join(tmpdir(), 'ka-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the runtime folder', () => {
  test('is made with its parents, closed to others', () => {
    const path = join(folder, 'a', 'b');
    prepareRuntimeFolder(path);
    expect(statSync(path).mode & 0o777).toBe(0o750);
  });

  test('may be there already', () => {
    const path = join(folder, 'twice');
    prepareRuntimeFolder(path);
    expect(() => prepareRuntimeFolder(path)).not.toThrow();
  });

  test.each([
    ['a file in its place', 'ENOTDIR', () => join(folder, 'file')],
    ['a file as its parent', 'ENOTDIR', () => join(folder, 'file', 'x')],
    ['a place where nothing can be made', 'ENOENT', () => '/proc/kvm-audio/run'],
  ])('that cannot be is told with folder, cause and way out: %s', (_, code, path) => {
    writeFileSync(join(folder, 'file'), '');
    expect(() => prepareRuntimeFolder(path())).toThrow(
      expect.objectContaining({
        exitCode: exitCodes.runtimeFolder,
        message: `runtime folder ${path()} cannot be written (${code}); KVM_AUDIO_RUNTIME_DIR names another`,
      }),
    );
  });

  test('with room for the longest socket name is taken, one byte longer is not', () => {
    const longest = 107 - '/control.sock'.length;
    const fits = join(folder, 'x'.repeat(longest - folder.length - 1));
    expect(() => prepareRuntimeFolder(fits)).not.toThrow();
    expect(() => prepareRuntimeFolder(`${fits}x`)).toThrow(
      expect.objectContaining({
        exitCode: exitCodes.socketPath,
        message: expect.stringMatching(
          /^runtime folder: socket path of 108 bytes, 107 is the limit/,
        ),
      }),
    );
  });
});

test('each cause of an end has an exit code of its own', () => {
  const codes = Object.values(exitCodes);
  expect(new Set(codes).size).toBe(codes.length);
  expect(exitCodes).toMatchObject({ ok: 0, configuration: 64 });
  expect(Math.max(...codes)).toBeLessThan(126);
});
