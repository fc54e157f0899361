import { setTimeout as pause } from 'node:timers/promises';
import {
  type AudioPacket,
  ControlClient,
  Listener,
  qualityLevels,
  type StreamFormat,
  socketPath,
  Talker,
} from '@kvm-audio/client';
import { inRepository } from '../helpers/repository.js';
import { TestDaemon } from '../helpers/TestDaemon.js';
import { TestProcess } from '../helpers/TestProcess.js';
import { waitFor } from '../helpers/waitFor.js';

describe('a running daemon', () => {
  let daemon: TestDaemon;

  beforeEach(async () => {
    daemon = await TestDaemon.start();
  });

  afterEach(async () => {
    await daemon.stop();
  });

  async function cli(...args: string[]): Promise<string> {
    const path = inRepository('node_modules/.bin/kvm-audioctl');
    const process_ = new TestProcess('kvm-audioctl', path, args, daemon.env);
    expect(await process_.ended).toEqual({ code: 0, signal: null });
    return process_.output;
  }

  it('tells process id, state and restarts of each pipeline as JSON', async () => {
    const status = JSON.parse(await cli('status', '--json'));
    for (const direction of ['output', 'input']) {
      expect(status[direction]).toMatchObject({
        pid: expect.any(Number),
        state: 'running',
        restarts: 0,
      });
    }
    const isUsed = expect.objectContaining({
      cpuPercent: expect.any(Number),
      memoryPercent: expect.any(Number),
      residentBytes: expect.any(Number),
    });
    await daemon.waitForStatus('figures of every process', ({ usage, output, input }) =>
      [usage, output.usage, input.usage].every((of) => isUsed.asymmetricMatch(of)),
    );
  });

  it('says that a pipeline which ends is unavailable, and what the other one answers', async () => {
    const path = socketPath(daemon.runtimeFolder, 'control');
    const control = await ControlClient.open({ path, client: 'test' });
    const { pid } = (await control.call('status.get', {})).input;
    process.kill(pid!, 'SIGSTOP');
    const ofBoth = control.call('quality.get', {});
    const answer = control.call('quality.set', { direction: 'input', level: 'low' });
    answer.catch(() => undefined);
    // Requests are taken in order: the pipeline was asked when this is answered.
    await control.call('status.get', {});
    process.kill(pid!, 'SIGKILL');
    await expect(answer).rejects.toMatchObject({
      code: 'PIPELINE_UNAVAILABLE',
      retryable: true,
      message: expect.stringContaining('the input pipeline is not running'),
    });
    expect(await ofBoth).toEqual(await control.call('quality.get', { direction: 'output' }));
    expect((await control.call('status.get', {})).pid).toBeGreaterThan(0);
    control.close();
  });

  it('has figures of now in each answer, where its pipelines tell theirs each 2.5 s', async () => {
    await daemon.bridge();
    const seen = new Set<string>();
    for (let i = 0; i < 8; i++) {
      const { output, input } = await daemon.status();
      seen.add([output, input].map(({ stream }) => stream?.framesReceived).join());
      await pause(250); // younger ones count as those of now
    }
    // Without asking there are two or three; a busy machine may let an answer be too late.
    expect(seen.size).toBeGreaterThanOrEqual(5);
  });

  it('tells a person the same in a table', async () => {
    const lines = (await cli('status')).split('\n');
    expect(lines[0]).toMatch(/^kvm-audiod \d+\.\d+\.\d+, pid \d+, up 00:00:\d\d, CPU /);
    expect(lines[2]).toMatch(/^PIPELINE\s+output\s+input$/);
    expect(lines[4]).toMatch(/^PID\s+\d+\s+\d+$/);
    expect(lines[5]).toMatch(/^CPU % of one core\s+(-|\d+\.\d)\s+(-|\d+\.\d)$/);
    expect(lines[6]).toMatch(/^MEMORY MiB\s+\d+\.\d\s+\d+\.\d$/);
    expect(lines[9]).toMatch(/^BITRATE\s+96 kbps\s+64 kbps$/);
    expect(lines[11]).toMatch(/^MARGIN ms now\/goal\s+-\/20\s+-$/);
    expect(lines[12]).toMatch(/^CONCEALED ms\s+\d+\s+-$/);
  });

  it('lists, tells and sets the quality levels', async () => {
    expect((await cli('quality', 'list')).trim().split('\n')).toHaveLength(9);
    for (const what of ['list', 'get'] as const) {
      const entries = JSON.parse(await cli('quality', what, '--json'));
      expect(entries).toEqual(await daemon.call(`quality.${what}`, {}));
      expect(await cli('quality', what, '--help')).toMatch(/--json +everything, as JSON/);
    }
    expect(await cli('quality', 'get')).toMatch(/input\s+medium\s+64\s+48000\s+1\s+20\s+audio/);
    expect(JSON.parse(await cli('quality', 'get', 'input', '--json'))).toEqual(
      await daemon.call('quality.get', { direction: 'input' }),
    );
    expect(await cli('quality', 'set', 'input', 'ultra')).toMatch(/input\s+ultra\s+256\s+48000/);
    expect(JSON.parse(await cli('quality', 'set', '--json', 'input', 'ultra'))).toMatchObject({
      direction: 'input',
      level: 'ultra',
    });
    expect((await daemon.status()).input.level).toBe('ultra');
  });

  it('refuses a level that does not exist, by name', async () => {
    const call = daemon.call('quality.set', { direction: 'input', level: 'best' as 'low' });
    await expect(call).rejects.toMatchObject({
      code: 'BAD_PARAMS',
      message: 'params.level must be one of low, medium, high, ultra, not "best"',
    });
  });

  it('keeps the level of a pipeline over its restart', async () => {
    await daemon.call('quality.set', { direction: 'input', level: 'low' });
    process.kill((await daemon.status()).input.pid as number, 'SIGKILL');
    await daemon.waitForStatus(
      'restarted pipeline',
      ({ input }) => input.restarts === 1 && input.stream?.format.level === 'low',
    );
  });

  it('changes the level of a stream without a gap, on a frame boundary', async () => {
    const path = socketPath(daemon.runtimeFolder, 'input');
    const listener = new Listener({ path, client: 'test' });
    const formats: StreamFormat[] = [];
    const packets: Pick<AudioPacket, 'seq' | 'mediaTime' | 'flags'>[] = [];
    listener.on('format', (format) => formats.push(format));
    listener.on('packet', ({ seq, mediaTime, flags }) => packets.push({ seq, mediaTime, flags }));
    try {
      await waitFor('packets', () => packets.length > 0);
      for (const level of [...qualityLevels, 'low', 'ultra', 'medium'] as const) {
        const before = packets.length;
        await daemon.call('quality.set', { direction: 'input', level });
        await waitFor('packets', () => packets.length > before + 10);
      }
      expect(formats.map(({ level }) => level)).toEqual([
        ...qualityLevels,
        'low',
        'ultra',
        'medium',
      ]);
      const lengths = new Set<number>();
      packets.slice(1).forEach((packet, i) => {
        const before = packets[i] as (typeof packets)[number];
        expect(packet.seq).toBe(before.seq + 1);
        lengths.add(packet.mediaTime - before.mediaTime);
      });
      expect([...lengths].sort()).toEqual([480, 960]);
    } finally {
      listener.close();
    }
  });

  it('refuses a second source, and takes it where it asks to take over', async () => {
    const path = socketPath(daemon.runtimeFolder, 'output');
    const first = new Talker({ path, client: 'first' });
    const talkers = [first];
    try {
      let connected = false;
      let replaced = false;
      first.on('connected', () => {
        connected = true;
      });
      first.on('replaced', () => {
        replaced = true;
      });
      await waitFor('first source', () => connected);
      const second = new Talker({ path, client: 'second' });
      talkers.push(second);
      const refusals: string[] = [];
      second.on('disconnected', (error) => refusals.push(error?.code ?? ''));
      await waitFor('refusals', () => refusals.length >= 2);
      expect(new Set(refusals)).toEqual(new Set(['AUDIO_ALREADY_RUNNING']));
      second.close();
      expect(replaced).toBe(false);
      talkers.push(new Talker({ path, client: 'third', takeover: true }));
      await waitFor('replacement', () => replaced);
    } finally {
      for (const talker of talkers) talker.close();
    }
  });

  it('starts the output by itself when frames arrive', async () => {
    const { output } = await daemon.waitForStatus(
      'open device',
      (status) => status.output.stream?.state === 'idle',
    );
    expect(output.stream?.framesReceived).toBe(0);
    await daemon.bridge();
    const status = await daemon.status();
    expect(status.output.stream?.state).toBe('running');
    expect((await daemon.outputCard.status()).playback.state).toBe('RUNNING');
  });
});

describe('kvm-audioctl --wait', () => {
  it('waits for a pipeline that is not up', async () => {
    const daemon = await TestDaemon.start();
    try {
      process.kill((await daemon.status()).input.pid as number, 'SIGKILL');
      const path = inRepository('packages/cli/bin/kvm-audioctl.js');
      const args = [path, 'quality', 'set', 'input', 'high', '--wait', '20'];
      const control = new TestProcess('kvm-audioctl', process.execPath, args, daemon.env);
      expect(await control.ended).toEqual({ code: 0, signal: null });
      expect(control.output).toMatch(/^input +high +128/m);
    } finally {
      await daemon.stop();
    }
  });

  it('waits for a daemon, and not for ever', async () => {
    const path = inRepository('packages/cli/bin/kvm-audioctl.js');
    const env = { ...process.env, KVM_AUDIO_RUNTIME_DIR: '/nowhere' };
    const started = performance.now();
    const args = [path, 'status', '--wait', '0.5'];
    const control = new TestProcess('kvm-audioctl', process.execPath, args, env);
    expect((await control.ended).code).toBe(69);
    expect(performance.now() - started).toBeGreaterThan(500);
  });
});

describe('an input that nobody listens to any more', () => {
  it('closes its device after the time that it lingers', async () => {
    const daemon = await TestDaemon.start({ config: { input: { lingerMs: 100 } } });
    try {
      const isOpen = async () => (await daemon.inputCard.status()).capture.open;
      await waitFor('closed device', async () => !(await isOpen()));
      const bridge = await daemon.bridge();
      expect(await isOpen()).toBe(true);
      await bridge.stop();
      await waitFor('closed device', async () => !(await isOpen()));
      await daemon.waitForStatus(
        'idle input',
        ({ input }) => input.stream?.state === 'idle' && input.stream.clients === 0,
      );
    } finally {
      await daemon.stop();
    }
  });
});

describe('a bridge', () => {
  it('goes on by itself after either pipeline was killed', async () => {
    const daemon = await TestDaemon.start();
    try {
      const bridge = await daemon.bridge();
      for (const direction of ['output', 'input'] as const) {
        const { pid } = (await daemon.status())[direction];
        process.kill(pid as number, 'SIGKILL');
        await daemon.waitForStatus('death', (status) => status[direction].restarts > 0);
        const frames = (await daemon.status()).output.stream?.framesReceived ?? 0;
        await daemon.waitForStatus('audio', ({ output, input }) => {
          const both = output.stream?.state === 'running' && input.stream?.state === 'running';
          return both && (output.stream?.framesReceived ?? 0) > frames;
        });
      }
      bridge.assertRunning();
    } finally {
      await daemon.stop();
    }
  });
});
