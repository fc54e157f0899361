import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { inRepository } from '../helpers/repository.js';

const root = inRepository('.');
const skipped = new Set(['node_modules', 'dist', 'build', '.git', 'coverage']);

/** Every file under a folder of the checkout whose name ends so, as paths from its root. */
export function filesUnder(folder: string, endings: readonly string[]): string[] {
  const absolute = join(root, folder);
  if (!existsSync(absolute)) return [];
  return readdirSync(absolute, { withFileTypes: true }).flatMap((entry) => {
    const path = join(absolute, entry.name);
    if (entry.isDirectory()) {
      return skipped.has(entry.name) ? [] : filesUnder(relative(root, path), endings);
    }
    return endings.some((ending) => entry.name.endsWith(ending)) ? [relative(root, path)] : [];
  });
}

export function read(path: string): string {
  return readFileSync(join(root, path), 'utf8');
}

export type PackageJson = {
  name: string;
  version: string;
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
};

export function readPackage(folder: string): PackageJson {
  return JSON.parse(read(join(folder, 'package.json'))) as PackageJson;
}

/** Folders of all workspaces. */
export const workspaces: readonly string[] = [
  'native-alsa',
  ...readdirSync(join(root, 'packages')).map((name) => `packages/${name}`),
].filter((folder) => existsSync(join(root, folder, 'package.json')));

/** What a source imports, exports from, or asks for at run time: the names as they are written. */
export function importsOf(path: string): string[] {
  const text = read(path).replace(/\/\*[\s\S]*?\*\//g, '');
  const wanted = /(?:\bfrom\s+|\bimport\s*\(?\s*|\brequire\s*\(\s*)'([^'\n]+)'/g;
  return [...text.matchAll(wanted)].map(([, name]) => name ?? '');
}

/** A source without what is gone when it runs: in it, who is named may be loaded. */
export function withoutTypeImports(text: string): string {
  return text.replace(/^(?:im|ex)port type\b[^;]*?\bfrom\s+'[^']+';/gm, '');
}

/** The package that an import names; undefined for files and for Node's own modules. */
export function packageOf(name: string): string | undefined {
  if (name.startsWith('.') || name.startsWith('node:')) return undefined;
  const parts = name.split('/');
  return name.startsWith('@') ? parts.slice(0, 2).join('/') : parts[0];
}
