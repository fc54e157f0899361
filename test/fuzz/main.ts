import { parseArgs } from 'node:util';
import { fuzzDaemon } from './fuzzDaemon.js';

const { values } = parseArgs({
  options: {
    messages: { type: 'string', default: '1000000' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
});
const settings = {
  messages: Number(values.messages),
  seed: Number(values.seed),
  floodSeconds: 3,
};
process.stdout.write(`seed ${settings.seed}\n`);
const report = await fuzzDaemon(settings);
process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
if (!report.samePids || report.restarts > 0) process.exitCode = 1;
