// Plays packets from standard input, as listener.js writes them, from a pipe or from a file.
import { setTimeout as pause } from 'node:timers/promises';
import { opusPacketMs, runtimeFolder, socketPath, Talker } from '@kvm-audio/client';

const path = socketPath(runtimeFolder(), 'output');
const talker = new Talker({ path, client: 'talker example', takeover: true });
talker.on('feedback', ({ lossPercent }) => console.error(`${lossPercent.toFixed(1)} % lost`));
talker.on('replaced', (by) => console.error(`replaced by ${by}`) ?? process.exit(1));
talker.on('disconnected', (error, retryMs) => {
  console.error(`${error?.message ?? 'closed'}, again in ${Math.round(retryMs)} ms`);
});
await talker.connected();

const leadMs = 40; // so much sooner than it is heard, at most
let dueMs = 0;
let drops = false;
let waiting = Buffer.alloc(0);
for await (const chunk of process.stdin) {
  waiting = Buffer.concat([waiting, chunk]);
  while (waiting.length >= 2 && waiting.length >= 2 + waiting.readUInt16BE()) {
    const payload = waiting.subarray(2, 2 + waiting.readUInt16BE());
    waiting = waiting.subarray(2 + payload.length);
    const dropped = talker.send({ payload }) === 'dropped';
    if (dropped && !drops) console.error('packets are dropped');
    drops = dropped;
    dueMs = Math.max(dueMs, performance.now()) + (opusPacketMs(payload) ?? 0);
    await pause(dueMs - performance.now() - leadMs);
  }
}
talker.close();
