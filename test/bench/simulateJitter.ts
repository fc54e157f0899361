import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { inRepository } from '../helpers/repository.js';

const run = promisify(execFile);
const program = inRepository('dist/simulation/test/simulation/main.js');

/** @returns what `make jitter` prints: traces in virtual time, whatever the machine does. */
export async function simulateJitter(): Promise<string> {
  process.stderr.write('jitter: traces in virtual time\n');
  const { stdout } = await run(process.execPath, [program]);
  return stdout.trim();
}
