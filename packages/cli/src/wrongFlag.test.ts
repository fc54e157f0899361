import { wrongFlag } from './wrongFlag.js';

test.each([
  [['--json'], undefined],
  [['--json=true', '--json=false'], undefined],
  [['--wait=1', '--no-json', 'json=1'], undefined],
  [['--json=1'], '--json must be true or false, not "1"'],
  [['--json='], '--json must be true or false, not ""'],
  [['--json', '--takeover=yes\n'], '--takeover must be true or false, not "yes\\n"'],
])('of %j it says %j', (argv, text) => {
  expect(wrongFlag(argv, ['json', 'takeover'])).toBe(text);
});
