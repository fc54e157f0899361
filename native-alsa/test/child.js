// Opens streams on the bare addon and leaves them open, in a process or a worker whose end is
// what a test is about. Arguments: device, then `exit`, `fall-through` or `worker`.
import { createRequire } from 'node:module';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

const [device, ending] = isMainThread ? process.argv.slice(2) : [workerData, ''];
const { Stream, layout } = createRequire(import.meta.url)('../build/Release/alsa.node');

const usual = {
  device,
  rate: 48_000,
  channels: 2,
  cardRate: 0,
  periodFrames: 240,
  bufferFrames: 9_600,
  slotFrames: 480,
  slotFramesMax: 480,
  slotCount: 4,
  schedFifoPriority: 0,
  guardFrames: 240,
  lowWaterFrames: 0,
  startSilenceFrames: 0,
};

function open(capture) {
  return new Promise((resolve, reject) => {
    const stream = new Stream({ ...usual, capture }, (bits) => {
      if ((bits & layout.opened) !== 0) resolve(stream);
      if ((bits & layout.failed) !== 0) reject(new Error(stream.failure().detail));
    });
  });
}

async function openBoth() {
  await Promise.all([open(true), open(false)]);
}

if (!isMainThread) {
  await openBoth();
  parentPort.postMessage('opened');
} else if (ending === 'worker') {
  const worker = new Worker(new URL(import.meta.url), { workerData: device });
  await new Promise((resolve) => worker.once('message', resolve));
  await worker.terminate();
  // The device is free again, and so is this process.
  await openBoth();
  process.stdout.write('reopened\n', () => process.exit(0));
} else {
  await openBoth();
  process.stdout.write('opened\n');
  if (ending === 'exit') process.stdin.once('data', () => process.exit(7));
}
