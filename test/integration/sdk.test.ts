import { execFile, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import {
  type AudioPacket,
  Listener,
  packetFlags,
  type SourceFeedback,
  socketPath,
  Talker,
} from '@kvm-audio/client';
import { KnownSound } from '../helpers/KnownSound.js';
import { inRepository } from '../helpers/repository.js';
import { TestDaemon } from '../helpers/TestDaemon.js';
import { TestProcess } from '../helpers/TestProcess.js';
import { waitFor } from '../helpers/waitFor.js';

const run = promisify(execFile);
const root = inRepository('.');

/** Text of a program, run where it finds the SDK as a program in this repository does. */
const module_ = (text: string): string[] => ['--input-type=module', '--eval', text];

describe('the SDK as it is built', () => {
  const tell = `
    console.log(JSON.stringify({
      names: Object.keys(client).sort(),
      native: fs.readFileSync('/proc/self/maps', 'utf8').match(/\\S+\\.node$/gm) ?? [],
    }))`;
  const programs = [
    ['--eval', `const client = require('@kvm-audio/client'), fs = require('node:fs');${tell}`],
    module_(`import * as client from '@kvm-audio/client'; import fs from 'node:fs';${tell}`),
  ];

  it('is the same for ESM and CommonJS, and pure JavaScript', async () => {
    const [required, imported] = await Promise.all(
      programs.map(async (args) => {
        const { stdout } = await run(process.execPath, args, { cwd: root });
        return JSON.parse(stdout) as { names: string[]; native: string[] };
      }),
    );
    expect(required?.names).toEqual(
      expect.arrayContaining(['ControlClient', 'Listener', 'Talker']),
    );
    expect(required?.names).toEqual(imported?.names);
    // In CommonJS msgpackr takes an optional addon of its own where npm has installed it.
    expect(required?.native.filter((path) => !path.includes('msgpackr-extract'))).toEqual([]);
    expect(imported?.native).toEqual([]);
  });

  it('has declarations for both', async () => {
    await run(inRepository('node_modules/.bin/tsc'), ['-p', inRepository('test/types')]);
  });
});

describe('with a running daemon', () => {
  let daemon: TestDaemon;
  let sound: KnownSound;

  beforeEach(async () => {
    daemon = await TestDaemon.start();
    sound = new KnownSound(daemon);
  });

  afterEach(async () => {
    try {
      await sound.stop();
    } finally {
      await daemon.stop();
    }
  });

  /** The README's program, as it is printed. */
  function runReadme(env: NodeJS.ProcessEnv): TestProcess {
    const readme = readFileSync(inRepository('README.md'), 'utf8');
    const program = /```js\n(.*?)```/s.exec(readme)?.[1] ?? '';
    return new TestProcess('README', process.execPath, module_(program), env);
  }

  it('the README’s program does what it says', async () => {
    const bridge = runReadme(daemon.env);
    try {
      await sound.hear();
    } finally {
      await bridge.stop('SIGINT');
    }
    expect(await bridge.ended).toEqual({ code: 0, signal: null });
    expect(bridge.output).toBe('');
  });

  it('it says once that it waits, and once that it drops', async () => {
    const lost = runReadme({ ...daemon.env, KVM_AUDIO_RUNTIME_DIR: '/nowhere' });
    const bridge = runReadme(daemon.env);
    try {
      await sound.hear();
      process.kill((await daemon.status()).output.pid as number, 'SIGKILL');
      await daemon.waitForStatus('restart', ({ output }) => output.restarts === 1);
      await sound.hear();
      lost.assertRunning();
    } finally {
      await lost.stop('SIGKILL');
      await bridge.stop('SIGINT');
    }
    expect(lost.output).toMatch(/^waiting for the output: nobody answers on .*\n$/);
    expect(bridge.output).toMatch(/^waiting for the output: .*\n(packets are dropped.*\n)?$/);
  });

  it('the examples carry sound from one to the other', async () => {
    const example = (name: string): string => inRepository(`docs/examples/node/${name}.js`);
    const { env } = daemon;
    const listener = spawn(process.execPath, [example('listener')], {
      env,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const talker = spawn(process.execPath, [example('talker')], {
      env,
      stdio: [listener.stdout, 'ignore', 'ignore'],
    });
    const ended = [listener, talker].map(
      (child) => new Promise((resolve) => child.once('exit', resolve)),
    );
    try {
      await sound.hear();
    } finally {
      listener.kill('SIGTERM');
      setTimeout(() => talker.kill('SIGKILL'), 20_000).unref();
    }
    expect(await Promise.all(ended)).toEqual([0, 0]);
  });

  it('a handler that throws is an uncaught error, not a storm of connections', async () => {
    const program = `
      import { Listener, runtimeFolder, socketPath } from '@kvm-audio/client';
      let thrown = 0;
      process.on('uncaughtException', () => { thrown += 1; });
      const path = socketPath(runtimeFolder(), 'input');
      const listener = new Listener({ path, client: 'thrower' });
      listener.on('connected', () => { throw new Error('a mistake'); });
      for await (const _ of listener) if (listener.counters.packets >= 20) break;
      console.log(JSON.stringify({ thrown, connections: listener.counters.connections }));
      listener.close();`;
    const { stdout } = await run(process.execPath, module_(program), {
      cwd: root,
      env: daemon.env,
    });
    expect(JSON.parse(stdout)).toEqual({ thrown: 1, connections: 1 });
  });

  it('a talker is told now and then how its packets arrive, and clients’ own figures are shown', async () => {
    const client = 'test';
    const listener = new Listener({ path: socketPath(daemon.runtimeFolder, 'input'), client });
    const talker = new Talker({ path: socketPath(daemon.runtimeFolder, 'output'), client });
    const told: SourceFeedback[] = [];
    talker.on('feedback', (feedback) => told.push(feedback));
    let count = 0;
    // Each tenth packet is lost.
    listener.on('packet', (packet) => {
      count += 1;
      if (count % 10 !== 0) talker.send(packet);
    });
    const stats = { framesReceived: 7, lossPercent: 0.5, jitterMs: 3, bufferMs: 40 };
    try {
      await waitFor('feedback', () =>
        told.some(
          ({ lossPercent, playoutDelayMs }) =>
            lossPercent > 5 && lossPercent < 20 && playoutDelayMs > 0,
        ),
      );
      listener.reportStats(stats);
      const status = await daemon.waitForStatus(
        'figures of the client',
        ({ input }) => input.stream?.clientFigures.length === 1,
      );
      expect(status.input.stream?.clientFigures).toEqual([{ client, ...stats }]);
    } finally {
      listener.close();
      talker.close();
    }
    await daemon.waitForStatus('no figures', ({ input }) => !input.stream?.clientFigures.length);
  });

  it.each([
    ['long ago', 0],
    ['to come', Number.MAX_SAFE_INTEGER],
  ])('a talker’s capture time that lies %s is not taken for one', async (_, captureTimeUs) => {
    const client = 'test';
    const listener = new Listener({ path: socketPath(daemon.runtimeFolder, 'input'), client });
    const talker = new Talker({ path: socketPath(daemon.runtimeFolder, 'output'), client });
    listener.on('packet', ({ payload }) => void talker.send({ payload, captureTimeUs }));
    try {
      const { output } = await daemon.waitForStatus(
        'latency from the arrival on',
        (status) => status.output.stream?.latency.from === 'arrival',
      );
      expect(output.stream?.latency.maxMs).toBeLessThan(1_000);
    } finally {
      listener.close();
      talker.close();
    }
  });

  it('a listener’s stream goes on over the death of the input pipeline', async () => {
    const path = socketPath(daemon.runtimeFolder, 'input');
    const listener = new Listener({ path, client: 'test' });
    const packets: Omit<AudioPacket, 'payload'>[] = [];
    listener.on('packet', ({ seq, mediaTime, captureTimeUs, flags }) =>
      packets.push({ seq, mediaTime, captureTimeUs, flags }),
    );
    try {
      await waitFor('packets', () => packets.length > 20);
      process.kill((await daemon.status()).input.pid as number, 'SIGKILL');
      await daemon.waitForStatus('restart', ({ input }) => input.restarts === 1);
      await waitFor('connection', () => listener.counters.connections >= 2);
      const before = packets.length;
      await waitFor('packets', () => packets.length > before + 20);
    } finally {
      listener.close();
    }
    const gapAt = packets.findIndex(
      ({ flags }, i) => i > 0 && (flags & packetFlags.discontinuity) !== 0,
    );
    expect(gapAt).toBeGreaterThan(0);
    packets.slice(1).forEach((packet, i) => {
      const last = packets[i]!;
      if (i + 1 !== gapAt) expect(packet.seq).toBe(last.seq + 1);
      const passedMs = (packet.captureTimeUs! - last.captureTimeUs!) / 1_000;
      const movedMs = (packet.mediaTime - last.mediaTime) / 48;
      expect(Math.abs(passedMs - movedMs)).toBeLessThan(5);
    });
    expect(packets[gapAt]!.seq).toBeGreaterThan(packets[gapAt - 1]!.seq + 1);
    expect(listener.counters.missedPackets).toBeGreaterThan(0);
  });
});
