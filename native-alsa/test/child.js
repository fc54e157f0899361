// Opens streams on the bare addon and leaves them open, their fast paths at work, in a process or a
// worker whose end is what a test is about. Arguments: device, then `exit`, `fall-through` or `worker`.
import { createRequire } from 'node:module';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

const [device, ending] = isMainThread ? process.argv.slice(2) : [workerData, ''];
const load = (name) => createRequire(import.meta.url)(`../build/Release/${name}.node`);
const { Stream, CaptureFastPath, PlayoutFastPath, Resampler, layout } = load('alsa');
const { Encoder, Decoder } = load('opus');
const { socketPair } = load('sys');

const usual = {
  device,
  rate: 48_000,
  channels: 2,
  cardRate: 0,
  periodFrames: 240,
  bufferFrames: 9_600,
  slotFrames: 480,
  slotFramesMax: 2_880,
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

/** The collector takes nothing of it. */
const lent = [];

function lendCapture(stream) {
  const rows = new Float64Array(layout.fastPathRowsMax * layout.capturePathValues);
  const path = new CaptureFastPath(stream, rows);
  const encoder = new Encoder(2049, 2);
  path.engage(encoder.role(), [], Buffer.alloc(4_129), 0, usual.slotFrames, 0, 0, 1_000);
  lent.push(path, encoder);
}

function lendPlayback(stream) {
  const rows = new Float64Array(2 * layout.fastPathRowsMax * layout.playoutPathValues);
  const path = new PlayoutFastPath(stream, rows, new Int16Array(2 * 8_000), 1_000);
  const decoder = new Decoder(2);
  const resampler = new Resampler(2, 48_000, 48_000, 4);
  const [ours] = socketPair();
  path.engage(ours, decoder.role(), resampler, new Float64Array(layout.playoutPathState));
  lent.push(path, decoder, resampler);
}

async function openBoth() {
  const [capture, playback] = await Promise.all([open(true), open(false)]);
  lendCapture(capture);
  lendPlayback(playback);
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
