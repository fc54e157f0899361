import { execFileSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inRepository } from '../helpers/repository.js';
import { TestDaemon } from '../helpers/TestDaemon.js';
import { TestProcess } from '../helpers/TestProcess.js';
import { waitFor } from '../helpers/waitFor.js';

const controlPath = inRepository('packages/cli/bin/kvm-audioctl.js');

describe('a daemon whose standard error cannot be written', () => {
  it('lets sound go on, without a log', async () => {
    const full = openSync('/dev/full', 'w');
    const daemon = await TestDaemon.start({ stderr: full });
    try {
      await daemon.bridge();
      await daemon.call('quality.set', { direction: 'input', level: 'high' });
      const { output } = await daemon.status();
      await daemon.waitForStatus(
        'more sound',
        (now) =>
          (now.output.stream?.framesReceived ?? 0) > (output.stream?.framesReceived ?? 0) + 50,
      );
      await daemon.stop();
    } finally {
      closeSync(full);
      await daemon.discard();
    }
  });

  it('writes on when somebody reads again, and says how many lines are lost', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'kvma-'));
    const fifo = join(folder, 'log');
    execFileSync('mkfifo', [fifo]);
    const openReader = () => openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
    let reader = openReader();
    const stderr = openSync(fifo, 'w');
    const daemon = await TestDaemon.start({ stderr, config: { log: { format: 'json' } } });
    closeSync(stderr);
    const setLevel = () => daemon.call('quality.set', { direction: 'input', level: 'low' });
    try {
      await setLevel();
      await waitFor('log', () => readText(reader)?.includes('quality set'));
      closeSync(reader);
      for (let i = 0; i < 3; i++) await setLevel();
      reader = openReader();
      await setLevel();
      const log = await waitFor('line', () => readText(reader));
      const lines = log.trim().split('\n');
      const told = JSON.parse(lines[0] ?? '');
      expect(told).toMatchObject({
        level: 40,
        msg: 'lines of this log are lost: they could not be written',
      });
      // A pipeline may have said something, too.
      expect(told.lost).toBeGreaterThanOrEqual(3);
      expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({ msg: 'quality set' });
      await daemon.stop();
    } finally {
      closeSync(reader);
      await daemon.discard();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

function readText(fd: number): string | undefined {
  const bytes = Buffer.alloc(65_536);
  return bytes.toString('utf8', 0, readSync(fd, bytes)) || undefined;
}

describe('kvm-audioctl with a standard output that cannot be written', () => {
  let daemon: TestDaemon;

  beforeAll(async () => {
    daemon = await TestDaemon.start();
  });

  afterAll(() => daemon.stop());

  async function run(
    redirected: string,
    args = 'status',
  ): Promise<{ code: number | null; said: string }> {
    const line = `'${controlPath}' ${args} ${redirected}`;
    const shell = new TestProcess('bash', 'bash', ['-o', 'pipefail', '-c', line], daemon.env);
    const { code } = await shell.ended;
    return { code, said: shell.output };
  }

  it('says so and fails', async () => {
    expect(await run('>/dev/full')).toEqual({
      code: 1,
      said: 'kvm-audioctl: standard output cannot be written (ENOSPC)\n',
    });
  });

  it.each(['--help', '--version', 'status --help', 'quality --help', 'quality set --help'])(
    'says so and fails also with %s',
    async (args) => {
      expect(await run('>/dev/full', args)).toEqual({
        code: 1,
        said: 'kvm-audioctl: standard output cannot be written (ENOSPC)\n',
      });
    },
  );

  it.each([
    ['--help', /^kvm-audioctl <command>.*where the sockets are\.\n$/s],
    ['-h', /^kvm-audioctl <command>.*where the sockets are\.\n$/s],
    ['bridge --help', /^kvm-audioctl bridge\n.*\[default: 0\]\n$/s],
    ['--version', /^\d+\.\d+\.\d+\n$/],
  ])('says %s and nothing else, where it can be written', async (args, wanted) => {
    const { code, said } = await run('| cat', args);
    expect(said).toMatch(wanted);
    expect(code).toBe(0);
  });

  it('says so and fails where it is closed', async () => {
    expect(await run('>&-')).toEqual({
      code: 1,
      said: 'kvm-audioctl: standard output cannot be written (EBADF)\n',
    });
  });

  it('does not mind where nobody wants to read more', async () => {
    expect(await run('| true')).toEqual({ code: 0, said: '' });
  });
});
