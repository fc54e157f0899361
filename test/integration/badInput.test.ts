import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { withVirtualCard } from '@kvm-audio/native-alsa/virtualCard';
import { inRepository } from '../helpers/repository.js';
import { TestDaemon } from '../helpers/TestDaemon.js';
import { TestProcess } from '../helpers/TestProcess.js';

const daemonPath = inRepository('packages/supervisor/bin/kvm-audiod.js');
const levels = 'low, medium, high, ultra';
const controlPath = inRepository('packages/cli/bin/kvm-audioctl.js');

describe('kvm-audiod on bad input', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'kvma-'));
  });

  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  /** Runs the daemon to its end. @returns its exit code and what it said, log lines left out. */
  async function run(
    config: string,
    runtimeFolder = join(folder, 'run'),
    args = ['--config', join(folder, 'bad.toml')],
  ): Promise<{ code: number | null; said: string }> {
    writeFileSync(join(folder, 'bad.toml'), config);
    const env = withVirtualCard({
      ...process.env,
      KVM_AUDIO_RUNTIME_DIR: runtimeFolder,
      KVM_AUDIO_CARD_DIR: join(folder, 'cards'),
    });
    const daemon = new TestProcess('kvm-audiod', process.execPath, [daemonPath, ...args], env);
    const { code } = await daemon.ended;
    const lines = daemon.output.split('\n').filter((line) => line && !line.startsWith('{'));
    return { code, said: lines.join('\n') };
  }

  async function runControl(
    args: readonly string[],
    runtimeFolder: string,
  ): Promise<{ code: number | null; said: string }> {
    const env = { ...process.env, KVM_AUDIO_RUNTIME_DIR: runtimeFolder };
    const cli = new TestProcess('kvm-audioctl', process.execPath, [controlPath, ...args], env);
    const { code } = await cli.ended;
    return { code, said: cli.output };
  }

  it.each([
    ['nosuchcard', 'Unknown PCM nosuchcard'],
    ['plughw:0,x', 'Parameter DEV must be an integer'],
    ['hw:foo=bar', 'Unknown parameter foo'],
  ])('names a device that ALSA does not know (%s), its key and the file', async (device, why) => {
    const { code, said } = await run(`[output]\ndevice = "${device}"\n`);
    const file = join(folder, 'bad.toml');
    expect(said).toBe(
      `kvm-audiod: ${file}: output.device = "${device}": ALSA knows no such PCM (${why})`,
    );
    expect(code).toBe(66);
  });

  it.each(['', 'lingerMs = 0\n', 'lingerMs = 5\n'])(
    'names an input device that ALSA does not know, before anybody listens (%j)',
    async (more) => {
      const { code, said } = await run(`[input]\ndevice = "nosuchcard"\n${more}`);
      const file = join(folder, 'bad.toml');
      expect(said).toBe(
        `kvm-audiod: ${file}: input.device = "nosuchcard": ` +
          'ALSA knows no such PCM (Unknown PCM nosuchcard)',
      );
      expect(code).toBe(66);
    },
  );

  it('names an unknown key and the file', async () => {
    const { code, said } = await run('[input]\nqualty = "low"\n');
    expect(said).toBe(`kvm-audiod: ${join(folder, 'bad.toml')}: unknown key input.qualty`);
    expect(code).toBe(64);
  });

  it('names key, value and bound of a value that is out of bounds', async () => {
    const { code, said } = await run('[output]\ntargetMs = 5000\n');
    const file = join(folder, 'bad.toml');
    expect(said).toBe(`kvm-audiod: ${file}: output.targetMs = 5000: must be at most 500`);
    expect(code).toBe(64);
  });

  it('names the values that a choice has', async () => {
    const { code, said } = await run('[input]\nquality = "best"\n');
    expect(said).toContain('input.quality = "best": must be one of low, medium, high, ultra');
    expect(code).toBe(64);
  });

  it('names line and column of what is no TOML', async () => {
    const { code, said } = await run('[input\n');
    expect(said).toMatch(/bad\.toml:1:\d+: not TOML: /);
    expect(said.split('\n')).toHaveLength(1);
    expect(code).toBe(64);
  });

  it('names a configuration file that cannot be read', async () => {
    const { code, said } = await run('', undefined, ['--config', join(folder, 'missing.toml')]);
    expect(said).toBe(`kvm-audiod: ${join(folder, 'missing.toml')}: cannot be read (ENOENT)`);
    expect(code).toBe(64);
  });

  it('refuses a device name with a control character at the start', async () => {
    const { code, said } = await run('[output]\ndevice = "a\\u0000b"\n');
    const file = join(folder, 'bad.toml');
    expect(said).toBe(
      `kvm-audiod: ${file}: output.device = "a\\u0000b": must not hold control characters`,
    );
    expect(code).toBe(64);
  });

  it('does not wait for somebody who writes into a FIFO', async () => {
    const fifo = join(folder, 'fifo');
    execFileSync('mkfifo', [fifo]);
    const { code, said } = await run('', undefined, ['--config', fifo]);
    expect(said).toBe(`kvm-audiod: ${fifo}: cannot be read (it is no regular file)`);
    expect(code).toBe(64);
  });

  it.each([
    [['--config'], 'Not enough arguments following: config (--help shows how)'],
    [['--config', 'a', '--config', 'b'], '--config is given twice (--help shows how)'],
    [['--until-stdin-ends=1'], '--until-stdin-ends must be true or false (--help shows how)'],
    [['--confg', 'a'], 'Unknown argument: confg (--help shows how)'],
    [['--config', ''], '"": cannot be read (ENOENT)'],
    [['--config', 'no\n\x1b[31mfile'], 'no\\u000a\\u001b[31mfile: cannot be read (ENOENT)'],
  ])('answers the arguments %j with one line', async (args, text) => {
    const { code, said } = await run('', undefined, args);
    expect(said).toBe(`kvm-audiod: ${text}`);
    expect(code).toBe(64);
  });

  it('names a runtime folder that cannot be made', async () => {
    writeFileSync(join(folder, 'file'), '');
    const { code, said } = await run('', join(folder, 'file', 'run'));
    expect(said).toContain(
      `runtime folder ${join(folder, 'file', 'run')} cannot be written (ENOTDIR)`,
    );
    expect(code).toBe(73);
  });

  it('names a runtime folder whose path is too long, and the limit', async () => {
    const long = join(folder, 'x'.repeat(100));
    mkdirSync(long);
    const { code, said } = await run('', long);
    expect(said).toMatch(/socket path of \d+ bytes, 107 is the limit: .*control\.sock$/);
    expect(code).toBe(78);
  });

  it('says that a daemon runs already, and where', async () => {
    const first = await TestDaemon.start();
    try {
      const { code, said } = await run('', first.runtimeFolder);
      expect(said).toBe(
        `kvm-audiod: a daemon runs already, with sockets in ${first.runtimeFolder}`,
      );
      expect(code).toBe(69);
    } finally {
      await first.stop();
    }
  });

  it('takes a relative runtime folder as one from the working directory, and names it whole', async () => {
    const whole = join(folder, 'run');
    const given = relative('.', whole);
    const { code, said } = await runControl(['status'], given);
    expect(said).toContain(`nobody answers on ${join(whole, 'control.sock')} (ENOENT)`);
    expect(code).toBe(69);
    const daemon = await TestDaemon.start({ runtimeFolder: given });
    try {
      expect(daemon.log).toContain(`"runtimeFolder":"${whole}"`);
      expect(await runControl(['status'], whole)).toMatchObject({ code: 0 });
      expect(await run('', given)).toMatchObject({
        said: `kvm-audiod: a daemon runs already, with sockets in ${whole}`,
      });
    } finally {
      await daemon.stop();
    }
  });

  it('takes the place of a daemon that was killed and left its socket', async () => {
    const first = await TestDaemon.start();
    await first.kill();
    const second = await TestDaemon.start({ runtimeFolder: first.runtimeFolder });
    await second.stop();
    await first.discard();
  });

  it('waits for a card that is not there, with one line in the log', async () => {
    const daemon = await TestDaemon.start({ config: { output: { device: 'hw:NoSuchCard' } } });
    try {
      const status = await daemon.waitForStatus(
        'missing device',
        (now) => now.output.stream?.state === 'no-device',
      );
      expect(status.output.stream?.reason).toContain('hw:NoSuchCard');
      expect(status.output.restarts).toBe(0);
    } finally {
      await daemon.stop();
    }
  });

  it.each(['status', 'bridge', 'quality get'])(
    'ends kvm-audioctl %s too where the path of the runtime folder is too long',
    async (command) => {
      const long = join(folder, 'x'.repeat(100));
      const { code, said } = await runControl(command.split(' '), long);
      expect(said).toMatch(/^kvm-audioctl: socket path of \d+ bytes, 107 is the limit: .*\n$/);
      expect(code).toBe(78);
    },
  );

  it.each([
    [['demo', '--input'], '--input needs a value'],
    [['demo', '--quality', 'b\n'], `--quality must be one of ${levels}, not "b\\n"`],
    [[], 'a command is missing'],
    [['bogus'], 'unknown command bogus'],
    [['quality'], 'a command is missing: list, get or set'],
    [['quality', 'bogus'], 'unknown command bogus'],
    [['quality', 'get', 'up'], '<direction> must be one of output, input, not "up"'],
    [['quality', 'get', 'input', 'low'], 'unknown argument low'],
    [['quality', 'set'], 'missing: <direction> <level>'],
    [['quality', 'set', 'input'], 'missing: <level>'],
    [['quality', 'set', '--json', 'input'], 'missing: <level>'],
    [['quality', 'set', '--bogus', 'input', 'low'], 'unknown argument --bogus'],
    [['quality', 'set', 'up', 'low'], '<direction> must be one of output, input, not "up"'],
    [['quality', 'set', 'input', 'best'], `<level> must be one of ${levels}, not "best"`],
    [['quality', 'set', 'input', 'low', 'more'], 'unknown argument more'],
    [['status', '--bo-gus=3'], 'unknown argument --bo-gus'],
    [['status', '--json=1'], '--json must be true or false, not "1"'],
    [['bridge', '--takeover=yes'], '--takeover must be true or false, not "yes"'],
    [['bridge', '--wait', 'x'], '--wait must be a number of seconds from 0 to 3600'],
  ])('has kvm-audioctl answer %j with one line', async (args, text) => {
    expect(await runControl(args, folder)).toEqual({
      code: 64,
      said: `kvm-audioctl: ${text} (--help shows how)\n`,
    });
  });

  it('is missed by the CLI with one line and an exit code of its own', async () => {
    const socket = join(folder, 'control.sock');
    expect(await runControl(['status'], folder)).toEqual({
      code: 69,
      said: `kvm-audioctl: nobody answers on ${socket} (ENOENT); is kvm-audiod running, with the same KVM_AUDIO_RUNTIME_DIR?\n`,
    });
  });
});
