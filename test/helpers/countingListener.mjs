// Listens with so many connections until SIGTERM, then prints what each heard, as JSON:
//   node countingListener.mjs INPUT.SOCK CONNECTIONS
// `packets` has [captured at, received at] of each, in us of CLOCK_MONOTONIC. Says `ready` when all
// have heard something.
import { Listener } from '@kvm-audio/client';

const [path, connections] = process.argv.slice(2);
const all = Array.from({ length: Number(connections) }, (_, i) => {
  const heard = { seqs: [], packets: [], disconnected: 0 };
  const listener = new Listener({ path, client: `test ${i}` });
  listener.on('packet', ({ seq, captureTimeUs }) => {
    heard.seqs.push(seq);
    heard.packets.push([captureTimeUs, Number(process.hrtime.bigint() / 1000n)]);
    if (heard.seqs.length === 1 && all.every(({ seqs }) => seqs.length > 0)) console.log('ready');
  });
  listener.on('disconnected', () => {
    heard.disconnected += 1;
  });
  return heard;
});

function summary({ seqs, packets, disconnected }) {
  const missing = seqs.at(-1) - seqs[0] + 1 - seqs.length;
  const delays = packets.map(([captured, received]) => received - captured).sort((a, b) => a - b);
  const medianDelayUs = delays[delays.length >> 1];
  // Of one alone, all of it.
  return { missing, disconnected, medianDelayUs, ...(all.length === 1 ? { seqs, packets } : {}) };
}

process.on('SIGTERM', () => {
  process.stdout.write(`${JSON.stringify(all.map(summary))}\n`, () => process.exit());
});
