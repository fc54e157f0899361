import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inRepository } from '../helpers/repository.js';
import { TestProcess } from '../helpers/TestProcess.js';
import { waitFor } from '../helpers/waitFor.js';

const controlPath = inRepository('packages/cli/bin/kvm-audioctl.js');
const demo = [controlPath, 'demo', '--input', 'kvm_host', '--output', 'kvm_gadget'];

describe('the demo', () => {
  let folder: string;
  let env: NodeJS.ProcessEnv;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'kvma-'));
    const { KVM_AUDIO_RUNTIME_DIR: _, ...rest } = process.env;
    env = { ...rest, TMPDIR: folder, KVM_AUDIO_CARD_DIR: join(folder, 'cards') };
  });

  afterEach(() => {
    for (const pid of processes()) process.kill(pid, 'SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });

  /** Every process of this demo: demo, daemon, pipelines, player. */
  function processes(): number[] {
    const mark = `\0TMPDIR=${folder}\0`;
    return readdirSync('/proc')
      .map(Number)
      .filter((pid) => pid > 0)
      .filter((pid) => {
        try {
          return `\0${readFileSync(`/proc/${pid}/environ`, 'utf8')}`.includes(mark);
        } catch {
          return false;
        }
      });
  }

  async function start(said = /^\d\d:\d\d:\d\d {2}output running /m): Promise<TestProcess> {
    const started = new TestProcess('demo', process.execPath, demo, env);
    await waitFor('line', () => {
      started.assertRunning();
      return said.test(started.output);
    });
    expect(processes().length).toBeGreaterThanOrEqual(4);
    return started;
  }

  /** The one process that runs this program. */
  function processOf(program: string): number {
    const found = processes().filter((pid) =>
      readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(program),
    );
    expect(found).toHaveLength(1);
    return found[0] ?? 0;
  }

  const noProcess = () => waitFor('end of all processes', () => processes().length === 0);
  const folders = () => readdirSync(folder).filter((name) => name !== 'cards');

  it('ends at Ctrl-C with nothing left and no complaint of the player', async () => {
    const started = await start();
    expect(await started.stop('SIGINT')).toEqual({ code: 0, signal: null });
    expect(started.output).not.toMatch(/aplay|error/i);
    await noProcess();
    expect(folders()).toEqual([]);
  });

  it('takes the daemon, its pipelines and the player with it when it is killed', async () => {
    const started = await start();
    await started.stop('SIGKILL');
    await noProcess();
    const [left] = folders();
    expect(readdirSync(join(folder, left ?? ''))).toEqual(['config.toml', 'owner']);
  });

  it('leaves nothing where its daemon is killed', async () => {
    const started = await start();
    process.kill(processOf('kvm-audiod'), 'SIGKILL');
    expect(await started.ended).toEqual({ code: 1, signal: null });
    await noProcess();
    expect(folders()).toEqual([]);
  });

  it('removes what one that was killed has left, and nothing of one that runs', async () => {
    const killed = await start();
    await killed.stop('SIGKILL');
    await noProcess();
    const [left] = folders();
    const first = await start();
    expect(folders()).toHaveLength(1);
    expect(folders()).not.toContain(left);
    // The first has the card.
    const second = await start(/ is bridged to output /);
    expect(folders()).toHaveLength(2);
    for (const running of [second, first]) await running.stop('SIGINT');
    expect(folders()).toEqual([]);
  });

  it.each([
    ['--input', 'nosuch', 'ALSA knows no such PCM (Unknown PCM nosuch)'],
    ['--output', 'plughw:0,x', 'ALSA knows no such PCM (Parameter DEV must be an integer)'],
    ['--output', '', 'must not be empty'],
  ])('names the flag of a device that is unknown: %s "%s"', async (flag, device, why) => {
    const ended = new TestProcess('demo', process.execPath, [...demo, flag, device], env);
    expect((await ended.ended).code).toBe(device === '' ? 64 : 66);
    const said = `kvm-audioctl: ${flag} "${device}": ${why}`;
    await waitFor('line', () => ended.output.trim().split('\n').at(-1) === said);
    expect(folders()).toEqual([]);
  });

  it('plays no programme into a card that its own output plays into, and says so once', async () => {
    const args = [...demo, '--input', 'kvm_card:host'];
    args.push('--output', 'kvm_host_plug');
    const started = new TestProcess('demo', process.execPath, args, env);
    await waitFor('line', () => {
      started.assertRunning();
      return /^\d\d:\d\d:\d\d {2}output running /m.test(started.output);
    });
    expect(started.output.match(/both are one card/g)).toHaveLength(1);
    expect(started.output).not.toMatch(/aplay|built-in programme plays/);
    expect(await started.stop('SIGINT')).toEqual({ code: 0, signal: null });
    expect(folders()).toEqual([]);
  });

  it('ends when nobody reads what it says, with nothing left', async () => {
    const line = `'${process.execPath}' '${demo.join("' '")}' 2>&1 | head -n 6`;
    const shell = new TestProcess('bash', 'bash', ['-o', 'pipefail', '-c', line], env);
    expect(await shell.ended).toEqual({ code: 0, signal: null });
    await noProcess();
    expect(folders()).toEqual([]);
  });
});
