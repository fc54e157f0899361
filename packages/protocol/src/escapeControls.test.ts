import { escapeControls } from './escapeControls.js';

describe('a text with its controls escaped', () => {
  test.each([
    ['plain, with ä, 音 and 🎤', 'plain, with ä, 音 and 🎤'],
    ['two\nlines\r\n', 'two\\u000alines\\u000d\\u000a'],
    ['\x1b[31mred\x07', '\\u001b[31mred\\u0007'],
    ['\x7f and \x9b', '\\u007f and \\u009b'],
    ['\u2028\u2029\u202e', '\\u2028\\u2029\\u202e'],
    ['\u{e0001}', '\\u{e0001}'],
    ['\ud800', '\ud800'],
  ])('%j is %j', (text, escaped) => {
    expect(escapeControls(text)).toBe(escaped);
    expect(escapeControls(escaped)).toBe(escaped);
  });
});
