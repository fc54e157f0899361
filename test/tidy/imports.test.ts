import { join } from 'node:path';
import {
  filesUnder,
  importsOf,
  packageOf,
  read,
  readPackage,
  withoutTypeImports,
  workspaces,
} from './sources.js';

const own = '@kvm-audio/';
const alsa = '@kvm-audio/native-alsa/alsa';
const opus = '@kvm-audio/native-alsa/opus';
const sys = '@kvm-audio/native-alsa/sys';
/** Names and paths of the virtual card: loads no addon. */
const virtualCard = '@kvm-audio/native-alsa/virtualCard';

/**
 * What each package may import of ours. A package is there to forbid an import: the protocol knows
 * nobody, the supervisor never sees audio, the client needs nothing native, no process imports
 * another.
 */
const mayImport: Record<string, readonly string[]> = {
  'native-alsa': [],
  'packages/protocol': [],
  // Of the addon the types alone: see below.
  'packages/audio': ['@kvm-audio/protocol', opus],
  'packages/daemon': ['@kvm-audio/protocol', sys],
  'packages/output-pipeline': [
    '@kvm-audio/protocol',
    '@kvm-audio/audio',
    '@kvm-audio/daemon',
    alsa,
    opus,
    sys,
  ],
  'packages/input-pipeline': [
    '@kvm-audio/protocol',
    '@kvm-audio/audio',
    '@kvm-audio/daemon',
    alsa,
    opus,
    sys,
  ],
  'packages/supervisor': [
    '@kvm-audio/protocol',
    '@kvm-audio/daemon',
    // With their libraries; a pipeline is given its configuration, and logs to the supervisor.
    '@kvm-audio/daemon/config',
    '@kvm-audio/daemon/log',
    sys,
    virtualCard,
  ],
  'packages/client': ['@kvm-audio/protocol'],
  'packages/cli': ['@kvm-audio/client', '@kvm-audio/protocol', virtualCard],
};

/** Used without an import: headers for the build, a module whose path is put together. */
const usedOtherwise: Record<string, readonly string[]> = {
  'native-alsa': ['node-addon-api'],
  'packages/audio': ['opusscript'],
};

/** Imported for its types alone, and so never loaded but by tests. */
const typesOnly: Record<string, readonly string[]> = { 'packages/audio': [opus] };

const isTest = (path: string): boolean => path.endsWith('.test.ts') || path.includes('/test/');

function sourcesOf(folder: string): string[] {
  return ['src', 'lib', 'bin'].flatMap((part) => filesUnder(join(folder, part), ['.ts', '.js']));
}

describe('the direction of imports', () => {
  test('is decided for every package', () => {
    expect([...workspaces].sort()).toEqual(Object.keys(mayImport).sort());
  });

  describe.each([...workspaces])('of %s', (folder) => {
    const files = sourcesOf(folder);
    const sources = files.filter((path) => !isTest(path));

    test('is that of the house, in tests too', () => {
      expect(sources.length).toBeGreaterThan(0);
      const allowed = mayImport[folder] ?? [];
      const wrong = files.flatMap((path) =>
        importsOf(path)
          .filter((name) => name.startsWith(own))
          .filter((name) => !allowed.includes(name))
          .map((name) => `${path}: ${name}`),
      );
      expect(wrong).toEqual([]);
    });

    test('never leaves the package by a path', () => {
      const wrong = sources.flatMap((path) =>
        importsOf(path)
          .filter((name) => name.startsWith('.'))
          .filter((name) => !join(path, '..', name).startsWith(`${folder}/`))
          .map((name) => `${path}: ${name}`),
      );
      expect(wrong).toEqual([]);
    });

    test('is what its package.json says, to the name', () => {
      const imported = sources.flatMap(importsOf).map(packageOf);
      const used = new Set([...imported, ...(usedOtherwise[folder] ?? [])]);
      used.delete(undefined);
      expect(Object.keys(readPackage(folder).dependencies ?? {}).sort()).toEqual([...used].sort());
    });

    test('leaves out no source: what only tests use is no part of a package', () => {
      const built = JSON.stringify(readPackage(folder)).match(/\bdist\/[\w/]+\.js/g) ?? [];
      const imported = sources.flatMap((path) =>
        importsOf(path)
          .filter((name) => name.startsWith('.'))
          .map((name) => join(path, '..', name)),
      );
      const used = new Set([...built.map((path) => join(folder, path)), ...imported]);
      const asBuilt = (path: string): string => path.replace(/\.ts$/, '.js');
      const unused = sources
        .filter((path) => path.endsWith('.ts'))
        .filter((path) => {
          const names = [path, path.replace(/\/(src|lib)\//, '/dist/')].map(asBuilt);
          return !names.some((name) => used.has(name));
        });
      expect(unused).toEqual([]);
    });

    test('names Node’s modules with node:', () => {
      const bare = ['assert', 'events', 'fs', 'net', 'os', 'path', 'process', 'url', 'util'];
      const wrong = files.filter((path) => importsOf(path).some((name) => bare.includes(name)));
      expect(wrong).toEqual([]);
    });
  });
});

describe.each(Object.entries(typesOnly))('%s', (folder, names) => {
  test.each(names)('names %s in imports of types alone', (name) => {
    const sources = sourcesOf(folder).filter((path) => !isTest(path));
    const wrong = sources.filter((path) => withoutTypeImports(read(path)).includes(name));
    expect(wrong).toEqual([]);
    expect(sources.some((path) => importsOf(path).includes(name))).toBe(true);
  });
});

test.each([
  ["import type { A } from 'x';", ''],
  ["import type {\n  A,\n  B,\n} from 'x';", ''],
  ["export type { A } from 'x';", ''],
  ["import { type A } from 'x';", "import { type A } from 'x';"],
  [
    "// an import type, so\nimport { b } from 'x';",
    "// an import type, so\nimport { b } from 'x';",
  ],
])('without imports of types %j is %j', (text, rest) => {
  expect(withoutTypeImports(text)).toBe(rest);
});
