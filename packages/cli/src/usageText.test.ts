import { usageText } from './usageText.js';

test.each([
  ['Unknown command: bogus', ['bogus'], 'unknown command bogus'],
  ['Unknown argument: extra', ['quality', 'get', 'extra'], 'unknown argument extra'],
  ['Unknown argument: bogus', ['status', '--bogus=3'], 'unknown argument --bogus'],
  ['Unknown arguments: a-b, x', ['status', '--a-b', '-x'], 'unknown argument --a-b, -x'],
  ['Not enough arguments following: wait', ['status', '--wait'], '--wait needs a value'],
  ['Not enough non-option arguments: got 0, need at least 2', [], 'missing: <direction> <level>'],
  ['Not enough non-option arguments: got 1, need at least 2', ['x'], 'missing: <level>'],
  [
    'Not enough non-option arguments: got 1, need at least 2',
    ['set', '--bogus', 'input', 'low', '--no-json', '--wait=-1'],
    'unknown argument --bogus',
  ],
  ['a command is missing', ['--bogus=1'], 'unknown argument --bogus'],
  ['a command is missing', ['--json'], 'a command is missing'],
  ['anything\n  else', [], 'anything; else'],
])('%s, of %j, is told as it was typed', (message, argv, text) => {
  expect(usageText(message, argv, ['<direction>', '<level>'], ['json', 'wait'])).toBe(text);
});
