import { inFlags } from './inFlags.js';

const config = '/tmp/demo/config.toml';

test.each([
  [
    'kvm-audiod: /tmp/demo/config.toml: input.device = "x": ALSA knows no such PCM (Unknown PCM x)',
    'kvm-audioctl: --input "x": ALSA knows no such PCM (Unknown PCM x)',
  ],
  [
    'kvm-audiod: /tmp/demo/config.toml: output.device = "": must not be empty',
    'kvm-audioctl: --output "": must not be empty',
  ],
])('an error of the configuration names the flag', (line, told) => {
  expect(inFlags(line, config)).toBe(told);
});

test.each([
  'kvm-audiod: a daemon runs already',
  '{"level":30,"device":"x","msg":"playback device opened"}',
  'output: input.device = "x"',
])('what is no error of the configuration stays as it is: %s', (line) => {
  expect(inFlags(line, config)).toBe(line);
});
