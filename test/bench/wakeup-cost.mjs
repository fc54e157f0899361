// What it costs to be woken for each frame, before anything is done with it: % of a core of a
// process that gets a byte every 20 ms and ignores it.
//   make build && node test/bench/wakeup-cost.mjs [--rounds 3] [--seconds 20]
import { execFileSync, spawn } from 'node:child_process';
import { closeSync, readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { socketPair, UnixSocket } from '../../native-alsa/dist/sys.js';

const here = new URL('.', import.meta.url).pathname;
/** As the supervisor starts a pipeline. */
const nodeFlags = ['--max-semi-space-size=1', '--max-old-space-size=32', '--v8-pool-size=1'];
/** Node's callback is compiled by then. */
const warmUpMs = 5_000;

/** Who reads the bytes from its standard input. */
const readers = {
  'C: read() in a loop (cat)': ['sh', ['-c', 'exec cat >/dev/null']],
  'Node: the socket of the sys addon': [process.execPath, [...nodeFlags, import.meta.filename, 'sys']],
  'Node: net.Socket': [process.execPath, [...nodeFlags, import.meta.filename, 'net']],
};

const { values: flags, positionals } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '20' },
  },
  allowPositionals: true,
});
if (positionals[0] === undefined) await compare();
else await ignoreInput(positionals[0]);

async function compare() {
  execFileSync('make', ['--silent', '-C', `${here}c`], { stdio: 'inherit' });
  const seen = { 'C: nanosleep() and write() in a loop': [] };
  for (let round = 0; round < Number(flags.rounds); round++) {
    for (const [name, [command, args]] of Object.entries(readers)) {
      const { ticker, reader } = await measure(command, args);
      seen['C: nanosleep() and write() in a loop'].push(ticker);
      seen[name] ??= [];
      seen[name].push(reader);
    }
  }
  console.log('% of a core at 50 wake-ups a second, medians');
  console.log('| | % |\n|---|---|');
  for (const [name, percents] of Object.entries(seen)) {
    console.log(`| ${name} | ${middle(percents).toFixed(2)} |`);
  }
}

async function measure(command, args) {
  const [from, to] = socketPair();
  const reader = spawn(command, args, { stdio: [to, 'inherit', 'inherit'] });
  const ticker = spawn(`${here}../../native-alsa/build/bench/ticker`, [], {
    stdio: ['ignore', from, 'inherit'],
  });
  closeSync(from);
  closeSync(to);
  try {
    await pause(warmUpMs);
    const before = [cpuNs(ticker.pid), cpuNs(reader.pid)];
    await pause(1000 * Number(flags.seconds));
    const percent = (pid, ns) => (cpuNs(pid) - ns) / (1e7 * Number(flags.seconds));
    return { ticker: percent(ticker.pid, before[0]), reader: percent(reader.pid, before[1]) };
  } finally {
    ticker.kill();
    reader.kill();
  }
}

async function ignoreInput(how) {
  if (how === 'net') process.stdin.on('data', () => undefined);
  else new UnixSocket(0, Buffer.alloc(64), { onReceived: () => 0, onEnd: () => process.exit() });
}

/** Of the main thread: the others sleep. */
function cpuNs(pid) {
  return Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[0]);
}

function middle(values) {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}

function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
