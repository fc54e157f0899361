import { OpenMetricsText } from './OpenMetricsText.js';

describe('the text', () => {
  test('has each family with its type, its unit and its help, and an end', () => {
    const text = new OpenMetricsText();
    text.add({ name: 'a_bytes', type: 'counter', unit: 'bytes', help: 'What was sent.' }, [
      { labels: { direction: 'output', place: 'x' }, value: 5 },
      { labels: { direction: 'input' }, value: 0.25 },
    ]);
    text.add({ name: 'b', type: 'gauge', help: 'How it is.' }, [{ value: -1 }]);
    expect(text.end()).toBe(
      `# TYPE a_bytes counter
# UNIT a_bytes bytes
# HELP a_bytes What was sent.
a_bytes_total{direction="output",place="x"} 5
a_bytes_total{direction="input"} 0.25
# TYPE b gauge
# HELP b How it is.
b -1
# EOF
`,
    );
  });

  test('has no line for what is not known, and no family without a line', () => {
    const text = new OpenMetricsText();
    const family = { type: 'summary', help: 'Something.' } as const;
    text.add({ name: 'known', ...family }, [{ value: null }, { suffix: '_count', value: 0 }]);
    text.add({ name: 'unknown', ...family }, [{ value: null }]);
    text.add({ name: 'empty', ...family }, []);
    expect(text.end()).toBe(
      '# TYPE known summary\n# HELP known Something.\nknown_count 0\n# EOF\n',
    );
  });

  test('keeps a label within its quotes, whatever is in it', () => {
    const text = new OpenMetricsText();
    text.add({ name: 'a', type: 'gauge', help: 'Something.' }, [
      { labels: { l: 'a "quote", a \\ and\ntwo lines' }, value: 1 },
    ]);
    expect(text.end()).toContain('a{l="a \\"quote\\", a \\\\ and\\ntwo lines"} 1\n');
  });
});
