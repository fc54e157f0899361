import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeDemoFolder } from './demoFolder.js';

const namespace = readlinkSync('/proc/self/ns/pid');
const deadPid = spawnSync('true').pid;

let parent: string;
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'kvma-'));
});
afterEach(() => rmSync(parent, { recursive: true, force: true }));

function folderWith(owner: string | undefined, name = 'kvm-audio-demo-abcdef'): string {
  const folder = join(parent, name);
  mkdirSync(folder);
  writeFileSync(join(folder, 'config.toml'), '');
  if (owner !== undefined) writeFileSync(join(folder, 'owner'), owner);
  return folder;
}

describe('the folder of a demo', () => {
  test('is a new one that names its process', () => {
    const folder = makeDemoFolder(parent);
    expect(readdirSync(folder)).toEqual(['owner']);
    expect(readFileSync(join(folder, 'owner'), 'utf8')).toBe(`${namespace}\n${process.pid}\n`);
    expect(makeDemoFolder(parent)).not.toBe(folder);
    expect(existsSync(folder)).toBe(true);
  });

  test('takes along those of demos that live no more', () => {
    const dead = folderWith(`${namespace}\n${deadPid}\n`);
    const folder = makeDemoFolder(parent);
    expect(existsSync(dead)).toBe(false);
    expect(existsSync(folder)).toBe(true);
  });

  test.each([
    ['of a process that lives', `${namespace}\n${process.ppid}\n`],
    ['of another namespace of processes', `pid:[1]\n${deadPid}\n`],
    ['whose owner is not written yet', undefined],
    ['whose owner is half written', `${namespace}\n`],
    ['whose owner is no process', `${namespace}\n-1\n`],
  ])('leaves one %s alone', (_, owner) => {
    const other = folderWith(owner);
    makeDemoFolder(parent);
    expect(readdirSync(other)).toContain('config.toml');
  });

  test('leaves alone what only has a demo’s name, or its content', () => {
    const plain = folderWith(`${namespace}\n${deadPid}\n`, 'something');
    symlinkSync(plain, join(parent, 'kvm-audio-demo-link'));
    writeFileSync(join(parent, 'kvm-audio-demo-file'), '');
    const before = readdirSync(parent);
    makeDemoFolder(parent);
    expect(readdirSync(parent)).toEqual(expect.arrayContaining(before));
    expect(readdirSync(plain)).toEqual(['config.toml', 'owner']);
  });
});
