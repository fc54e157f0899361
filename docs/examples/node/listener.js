// Writes what the host plays to standard output, packet by packet: length in 2 bytes, Opus.
//   node docs/examples/node/listener.js | node docs/examples/node/talker.js
import { Listener, runtimeFolder, socketPath } from '@kvm-audio/client';

const stop = new AbortController();
process.once('SIGINT', () => stop.abort()).once('SIGTERM', () => stop.abort());
process.stdout.on('error', () => stop.abort()); // who reads has gone
const path = socketPath(runtimeFolder(), 'input');
const listener = new Listener({ path, client: 'listener example', signal: stop.signal });
listener.on('connected', (format) => console.error('listening:', format.level, format.bitrate));
listener.on('gap', ({ ms }) => console.error(`missed ${ms.toFixed(0)} ms`));
listener.on('disconnected', (error, retryMs) => {
  console.error(`${error?.message ?? 'closed'}, again in ${Math.round(retryMs)} ms`);
});

for await (const { payload } of listener) {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(payload.length);
  process.stdout.write(Buffer.concat([length, payload]));
}
console.error(`heard ${listener.counters.packets} packets`);
