import { readFileSync } from 'node:fs';
import { inRepository } from '../helpers/repository.js';
import { jitterTable } from '../simulation/jitterTable.js';

const minutes = 60_000;

test(
  'docs/jitter-buffer.md has the table that `make jitter` prints',
  () => {
    const page = readFileSync(inRepository('docs/jitter-buffer.md'), 'utf8');
    const [table] = /^\| trace \|.*\n(?:\|.*\n)+/m.exec(page) ?? [];
    expect(table).toBe(`${jitterTable()}\n`);
  },
  10 * minutes,
);
