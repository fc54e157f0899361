import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inRepository } from '../helpers/repository.js';
import { TestProcess } from '../helpers/TestProcess.js';
import { waitFor } from '../helpers/waitFor.js';

/** The commands under a heading of the README. */
function block(heading: string): string {
  const text = readFileSync(inRepository('README.md'), 'utf8');
  const section = text.split(`\n## ${heading}\n`)[1] ?? '';
  return /(?:^ {4}.*\n)+/m.exec(section)?.[0].replace(/^ {4}/gm, '') ?? '';
}

describe('what the README says to type', () => {
  it('works when it is pasted as a whole', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'kvma-'));
    const config = join(folder, 'config.toml');
    // As it stands there, but for the build, for what would go on for ever, and for the places.
    const lines = block('Use it')
      .replace('make build', '')
      .replace('KVM_AUDIO_RUNTIME_DIR=/tmp/kvm-audio', `KVM_AUDIO_RUNTIME_DIR=${folder}/run`)
      .replace('etc/config.toml &', `${config} & daemon=$!`)
      .replace(/^\S+kvm-audioctl bridge/m, '(echo "bridge: $BASHPID"; exec $&)');
    const script = [
      `cd '${inRepository('.')}'`,
      `printf '[output]\\ndevice = "kvm_gadget"\\n[input]\\ndevice = "kvm_host"\\n' >'${config}'`,
      "set -e; trap 'kill $daemon' EXIT",
      lines,
      'trap - EXIT; kill $daemon; wait $daemon',
    ].join('\n');
    expect(script).toMatch(/kvm-audiod .*&.*kvm-audioctl status.*quality set.*bridge/s);
    const env = { ...process.env, KVM_AUDIO_CARD_DIR: join(folder, 'cards') };
    const shell = new TestProcess('bash', 'bash', ['-c', script], env);
    try {
      // Ctrl-C, once, when the bridge stands.
      await waitFor('the bridge', () => {
        shell.assertRunning();
        return /^output connected$/m.test(shell.output);
      });
      process.kill(Number(/^bridge: (\d+)$/m.exec(shell.output)?.[1]), 'SIGINT');
      const { code } = await shell.ended;
      expect(shell.output).toMatch(/^PIPELINE +output +input *$/m);
      expect(shell.output).toMatch(/^RESTARTS +0 +0 *$/m);
      expect(shell.output).toMatch(/^input +high +128/m);
      expect(shell.output).not.toMatch(/kvm-audioctl: /);
      expect(code).toBe(0);
    } finally {
      if (shell.running) await shell.stop('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
