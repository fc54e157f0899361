import { filesUnder, read } from './sources.js';

/** The last column of each row of the page's tables. */
function namedTests(): string[] {
  const rows = read('docs/closing.md')
    .split('\n')
    .filter((line) => /^\|.*\|$/.test(line) && !/^\|[-|]+\|$/.test(line));
  return rows.map((row) => row.split('|').at(-2)?.trim() ?? '').filter((name) => name !== 'test');
}

describe('docs/closing.md', () => {
  const sources = filesUnder('test/integration', ['.ts']);
  const text = sources.map(read).join('\n');

  test('has a test for each of its lines', () => {
    const names = namedTests();
    expect(names.length).toBeGreaterThan(12);
    const missing = names.filter((name) => {
      const path = /^in `(.*)`$/.exec(name)?.[1];
      return path === undefined ? !text.includes(`'${name}'`) : !sources.includes(path);
    });
    expect(missing).toEqual([]);
  });
});
