import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { inRepository } from '../helpers/repository.js';

const run = promisify(execFile);

test('docs/api.md is as the comments of the SDK are now (make docs)', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'kvma-docs-'));
  try {
    const options = inRepository('packages/client/typedoc.json');
    await run(inRepository('node_modules/.bin/typedoc'), ['--options', options, '--out', folder]);
    const made = readFileSync(join(folder, 'api.md'), 'utf8');
    expect(readFileSync(inRepository('docs/api.md'), 'utf8')).toBe(made);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
