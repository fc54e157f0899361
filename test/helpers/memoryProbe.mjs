// Preloaded into a daemon's processes by NODE_OPTIONS=--import=…: says what a pipeline allocates.
//
// In the supervisor it gives the pipelines a young generation that is so large that nothing is
// collected for minutes. So in a pipeline memory only grows, and the difference of two looks is
// all that was allocated between them, garbage too. At SIGUSR2 a pipeline appends a look, one line
// of JSON, to the file $KVM_AUDIO_PROBE_FOLDER/DIRECTION.
import childProcess from 'node:child_process';
import { appendFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { PerformanceObserver } from 'node:perf_hooks';

const youngMb = 64;
const direction = /(input|output)-pipeline/.exec(process.argv[1] ?? '')?.[1];

if (direction) watch();
else widenChildren();

function widenChildren() {
  const { spawn } = childProcess;
  childProcess.spawn = (command, args, options) => {
    const others = args.filter((flag) => !flag.startsWith('--max-semi-space-size'));
    const young = [
      `--min-semi-space-size=${youngMb}`,
      `--max-semi-space-size=${youngMb}`,
      '--no-memory-reducer',
    ];
    return spawn(command, command === process.execPath ? [...young, ...others] : args, options);
  };
  syncBuiltinESMExports();
}

function watch() {
  let collections = 0;
  new PerformanceObserver((list) => {
    collections += list.getEntries().length;
  }).observe({ entryTypes: ['gc'] });
  const file = join(process.env.KVM_AUDIO_PROBE_FOLDER, direction);
  process.on('SIGUSR2', () => {
    const { heapUsed, arrayBuffers, external } = process.memoryUsage();
    const look = { heapBytes: heapUsed, arrayBufferBytes: arrayBuffers, externalBytes: external };
    appendFileSync(file, `${JSON.stringify({ ...look, collections })}\n`);
  });
}
