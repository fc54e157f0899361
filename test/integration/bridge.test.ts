import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DaemonStatus, ProtocolError } from '@kvm-audio/client';
import { outgoing } from '../helpers/outgoing.js';
import { ProtocolServer } from '../helpers/ProtocolServer.js';
import { inRepository } from '../helpers/repository.js';
import { TestDaemon } from '../helpers/TestDaemon.js';
import { TestProcess } from '../helpers/TestProcess.js';
import { waitFor } from '../helpers/waitFor.js';

const controlPath = inRepository('packages/cli/bin/kvm-audioctl.js');
const taken = new ProtocolError('AUDIO_ALREADY_RUNNING', 'another source is connected');

describe('kvm-audioctl', () => {
  let folder: string;
  let input: ProtocolServer;
  let output: ProtocolServer;
  let started: TestProcess[];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'kvma-'));
    input = new ProtocolServer(join(folder, 'input.sock'), ['sink']);
    output = new ProtocolServer(join(folder, 'output.sock'), ['source']);
    started = [];
  });

  afterEach(async () => {
    for (const child of started) if (child.running) await child.stop('SIGKILL');
    for (const server of [input, output]) server.die();
    rmSync(folder, { recursive: true, force: true });
  });

  function start(...args: string[]): TestProcess {
    const env = { ...process.env, KVM_AUDIO_RUNTIME_DIR: folder };
    const child = new TestProcess('kvm-audioctl', process.execPath, [controlPath, ...args], env);
    started.push(child);
    return child;
  }

  const says = (child: TestProcess, line: RegExp) =>
    waitFor(`line ${line}`, () => {
      child.assertRunning();
      return line.test(child.output);
    });

  const nobody = (name: string) => `nobody answers on ${join(folder, `${name}.sock`)} (ENOENT)`;

  it('bridge ends with one line and code 69 where no daemon has ever answered', async () => {
    const bridge = start('bridge');
    expect((await bridge.ended).code).toBe(69);
    expect(bridge.output).toBe(
      `kvm-audioctl: ${nobody('output')}; is kvm-audiod running, with the same KVM_AUDIO_RUNTIME_DIR?\n`,
    );
  });

  it('bridge --wait ends so when the time is over, and says each trouble once', async () => {
    const bridge = start('bridge', '--wait', '1');
    expect((await bridge.ended).code).toBe(69);
    expect(bridge.output.trim().split('\n').sort()).toEqual([
      `input not connected: ${nobody('input')}; trying again`,
      expect.stringMatching(/^kvm-audioctl: nobody answers on .*; is kvm-audiod running, .*\?$/),
      `output not connected: ${nobody('output')}; trying again`,
    ]);
  });

  it('bridge --wait goes on when the daemon comes', async () => {
    const bridge = start('bridge', '--wait', '600');
    await says(bridge, /^input not connected: nobody answers/m);
    await input.listen();
    await output.listen();
    await says(bridge, /^input connected$/m);
    await says(bridge, /^output connected$/m);
    expect(await bridge.stop('SIGINT')).toEqual({ code: 0, signal: null });
  });

  it('bridge carries sound also where it may not ask what the streams do', async () => {
    const control = new ProtocolServer(join(folder, 'control.sock'), ['control']);
    control.refusal = new ProtocolError('FORBIDDEN', 'user 7 may not look here');
    try {
      for (const server of [control, input, output]) await server.listen();
      const bridge = start('bridge');
      await says(bridge, /^output connected$/m);
      await waitFor('question', () => control.hellos.length === 1);
      const packet = outgoing(1, Uint8Array.of(0xf8, 7), 960, 20_000);
      await waitFor('place for a packet', () => input.clients[0]?.trySend(packet));
      await waitFor('packet', () => output.packets.some(({ payload }) => payload[1] === 7));
      expect(await bridge.stop('SIGINT')).toEqual({ code: 0, signal: null });
      expect(bridge.output.trim().split('\n').sort()).toEqual([
        'input connected',
        'output connected',
      ]);
    } finally {
      control.die();
    }
  });

  it('bridge ends with one line and code 77 where it may not connect', async () => {
    const forbidden = new ProtocolError('FORBIDDEN', 'user 7 may not connect here');
    input.refusal = forbidden;
    output.refusal = forbidden;
    await input.listen();
    await output.listen();
    const bridge = start('bridge', '--wait', '600');
    expect((await bridge.ended).code).toBe(77);
    expect(bridge.output).toBe('kvm-audioctl: user 7 may not connect here\n');
  });

  it('bridge names --takeover and ends with code 75 where another source plays', async () => {
    output.refusal = taken;
    await output.listen();
    await input.listen();
    const bridge = start('bridge');
    expect((await bridge.ended).code).toBe(75);
    expect(bridge.output).toBe(
      'kvm-audioctl: another source is connected; --takeover takes its place\n',
    );
    expect(input.hellos).toEqual([]);
  });

  it('bridge whose place is taken says by whom and ends with code 75', async () => {
    await input.listen();
    await output.listen();
    const bridge = start('bridge');
    await says(bridge, /^output connected$/m);
    output.clients[0]?.notify('source.replaced', { by: 'kvm' });
    expect((await bridge.ended).code).toBe(75);
    expect(bridge.output).toMatch(
      /^kvm-audioctl: another source took over: kvm; --takeover takes its place$/m,
    );
  });

  it('bridge that was connected comes back, after a daemon that ended and a place that was taken', async () => {
    await input.listen();
    await output.listen();
    const bridge = start('bridge');
    await says(bridge, /^input connected$/m);
    await says(bridge, /^output connected$/m);
    for (const server of [input, output]) server.die();
    await says(bridge, /^output lost: .*; trying again\n(.*\n)*output not connected: nobody/m);
    output.refusal = taken;
    await output.listen();
    await says(bridge, /^output not connected: another source is connected; trying again$/m);
    output.refusal = undefined;
    await input.listen();
    await waitFor('new connections', () => {
      bridge.assertRunning();
      return input.clients.length === 2 && output.clients.length === 2;
    });
    const lines = bridge.output.trim().split('\n');
    const repeated = lines.filter((line, i) => lines.indexOf(line) !== i);
    expect(repeated.filter((line) => !/^(input|output) connected$/.test(line))).toEqual([]);
    expect(await bridge.stop('SIGINT')).toEqual({ code: 0, signal: null });
  });
});

describe('kvm-audioctl bridge', () => {
  let daemon: TestDaemon;

  beforeEach(async () => {
    daemon = await TestDaemon.start({ unplugged: ['input'] });
  });

  afterEach(() => daemon.stop());

  it('says once that a card is not there, or its host does not listen, and that it is again', async () => {
    const bridge = daemon.startBridge();
    const says = (line: RegExp) =>
      waitFor(`line ${line}`, () => {
        bridge.assertRunning();
        return line.test(bridge.output);
      });
    await says(/^input hears nothing \(no-device\): .*the card is not there.*$/m);
    await daemon.inputCard.control('replug');
    await says(/^input hears again$/m);
    await daemon.outputCard.control('host-idle', 'on');
    await says(/^output is not heard \(host-idle\): .*its host does not listen, or sleeps$/m);
    await daemon.outputCard.control('host-idle', 'off');
    await says(/^output is heard again$/m);
    expect(bridge.output.trim().split('\n')).toHaveLength(6);
  });
});

describe('kvm-audioctl status --wait', () => {
  it('does not return while a stream is still starting', async () => {
    const daemon = await TestDaemon.start();
    const folder = mkdtempSync(join(tmpdir(), 'kvma-'));
    const control = new ProtocolServer(join(folder, 'control.sock'), ['control']);
    try {
      const up = await daemon.waitForStatus(
        'idle streams',
        ({ output, input }) => output.stream?.state === 'idle' && input.stream !== null,
      );
      // What a daemon says whose card takes its time, and what it says of a card that is not there.
      const said = (state: 'starting' | 'no-device'): DaemonStatus =>
        ({
          ...up,
          output: { ...up.output, stream: { ...up.output.stream, state } },
        }) as DaemonStatus;
      let asked = 0;
      control.onRequest = () => said(++asked > 2 ? 'no-device' : 'starting');
      await control.listen();
      const env = { ...process.env, KVM_AUDIO_RUNTIME_DIR: folder };
      const args = [controlPath, 'status', '--wait', '600'];
      const status = new TestProcess('kvm-audioctl', process.execPath, args, env);
      expect(await status.ended).toEqual({ code: 0, signal: null });
      expect(status.output).toMatch(/^STATE +no-device /m);
      expect(asked).toBe(3);
    } finally {
      control.die();
      rmSync(folder, { recursive: true, force: true });
      await daemon.stop();
    }
  });
});
