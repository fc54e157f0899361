import { loadAddon } from './addon.js';

function loadError(error: Error): string {
  try {
    loadAddon(() => {
      throw error;
    });
  } catch (refused) {
    return (refused as Error).message;
  }
  return 'nothing';
}

test('an addon that is not built says how to build it', () => {
  const missing = Object.assign(new Error('Cannot find module'), { code: 'MODULE_NOT_FOUND' });
  expect(loadError(missing)).toBe('the alsa addon is not built: run `make build`');
});

test('a missing libasound names the package to install', () => {
  const missing = new Error('libasound.so.2: cannot open shared object file');
  expect(loadError(missing)).toContain('install the package libasound2');
});

test('a missing libspeexdsp names the package to install', () => {
  const missing = new Error('libspeexdsp.so.1: cannot open shared object file');
  expect(loadError(missing)).toContain('install the package libspeexdsp1');
});

test('whatever else keeps the addon from loading is told as it is', () => {
  expect(loadError(new Error('wrong ELF class'))).toContain('wrong ELF class');
});
