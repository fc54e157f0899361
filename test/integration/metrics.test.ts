import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { socketPath } from '@kvm-audio/client';
import { encodeMessage, heapMemory, protocolVersion } from '@kvm-audio/protocol';
import { inRepository } from '../helpers/repository.js';
import { TestDaemon } from '../helpers/TestDaemon.js';
import { TestProcess } from '../helpers/TestProcess.js';
import { WireClient } from '../helpers/WireClient.js';
import { waitFor } from '../helpers/waitFor.js';

const controlPath = inRepository('packages/cli/bin/kvm-audioctl.js');

describe('the metrics of a daemon', () => {
  let daemon: TestDaemon;

  beforeEach(async () => {
    daemon = await TestDaemon.start({ config: { input: { lingerMs: 100 } } });
  });

  afterEach(() => daemon.stop());

  const ask = async (): Promise<string> => (await daemon.call('metrics.get', {})).text;

  /** What `kvm-audioctl metrics` writes, to the byte. */
  async function printed(): Promise<string> {
    const control = new TestProcess(
      'kvm-audioctl',
      process.execPath,
      [controlPath, 'metrics'],
      daemon.env,
    );
    expect(await control.ended).toEqual({ code: 0, signal: null });
    return control.output;
  }

  /** Values by name and labels, as they stand there. */
  function valuesIn(text: string): Record<string, number> {
    const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    return Object.fromEntries(
      lines.map((line) => {
        const at = line.lastIndexOf(' ');
        return [line.slice(0, at), Number(line.slice(at + 1))];
      }),
    );
  }

  const values = async (): Promise<Record<string, number>> => valuesIn(await ask());

  /** @returns the first values in which it is so. */
  function waitForValues(
    what: string,
    wanted: (values: Record<string, number>) => boolean,
  ): Promise<Record<string, number>> {
    return waitFor(what, async () => {
      const now = await values();
      return wanted(now) && now;
    });
  }

  const frames = (direction: 'output' | 'input'): string =>
    `kvm_audio_frames_received_total{direction="${direction}"}`;

  it('rise while sound flows, and are what the status says', async () => {
    await daemon.bridge();
    const before = await values();
    const after = await waitForValues('frames in both directions', (now) =>
      [frames('output'), frames('input')].every(
        (name) => (now[name] ?? 0) > (before[name] ?? 0) && (now[name] ?? 0) > 50,
      ),
    );
    for (const direction of ['output', 'input'] as const) {
      const label = `{direction="${direction}"}`;
      const agoSeconds =
        Date.now() / 1000 - (after[`kvm_audio_last_frame_timestamp_seconds${label}`] ?? 0);
      // A report is of now, or the machine was busy.
      expect(agoSeconds).toBeGreaterThan(0);
      expect(agoSeconds).toBeLessThan(10);
      expect(after[`kvm_audio_stream_state{direction="${direction}",state="running"}`]).toBe(1);
      const quantiles = ['0.5', '0.95', '0.99', '1.0'].map(
        (q) => after[`kvm_audio_latency_seconds{direction="${direction}",quantile="${q}"}`],
      );
      expect(quantiles).toEqual([...quantiles].sort());
      expect(quantiles[0]).toBeGreaterThan(0.005);
      expect(after[`kvm_audio_payload_bytes_total${label}`]).toBeGreaterThan(100);
    }
    const { contentType } = await daemon.call('metrics.get', {});
    expect(contentType).toBe('application/openmetrics-text; version=1.0.0; charset=utf-8');
  });

  it('are printed by kvm-audioctl as they are, with nothing behind the end', async () => {
    const bridge = await daemon.bridge();
    await bridge.stop();
    const isIdle = (direction: string): string =>
      `kvm_audio_stream_state{direction="${direction}",state="idle"}`;
    await waitForValues('rest', (now) => now[isIdle('output')] === 1 && now[isIdle('input')] === 1);
    const counters = (all: string): string[] =>
      all.split('\n').filter((line) => /^kvm_audio_\w+_(total|count|sum)\{|^#/.test(line));
    // The input lingers for a while: then no counter moves.
    let text = '';
    let shown = '';
    await waitFor('counters that stand still', async () => {
      [text, shown] = [await ask(), await printed()];
      return counters(text).join() === counters(await ask()).join();
    });
    expect(shown).toMatch(/^# TYPE kvm_audio_info gauge\n.*[^\n]\n# EOF\n$/s);
    expect(counters(shown)).toEqual(counters(text));
    expect(counters(shown).length).toBeGreaterThan(150);
    expect(valuesIn(shown)[frames('input')]).toBeGreaterThan(0);
  });

  it('are served by the program of the page about them, in a project of its own', async () => {
    const page = readFileSync(inRepository('docs/metrics.md'), 'utf8');
    const [, program = ''] = /^```js\n(.*?)^```$/ms.exec(page) ?? [];
    const socket = join(daemon.folder, 'http.sock');
    // As it stands there, but for the place.
    const placed = program.replace("9100, '127.0.0.1'", JSON.stringify(socket));
    expect(placed).not.toBe(program);
    const scope = join(daemon.folder, 'node_modules', '@kvm-audio');
    mkdirSync(scope, { recursive: true });
    symlinkSync(inRepository('packages/client'), join(scope, 'client'));
    const file = join(daemon.folder, 'metrics.mjs');
    writeFileSync(file, placed);
    const server = new TestProcess('the program', process.execPath, [file], daemon.env);
    try {
      await waitFor('the server', () => {
        server.assertRunning();
        return existsSync(socket);
      });
      const answer = await new Promise<IncomingMessage>((resolve, reject) =>
        get({ socketPath: socket, path: '/metrics' }, resolve).once('error', reject),
      );
      expect(answer.headers['content-type']).toMatch(/^application\/openmetrics-text; /);
      expect(await text(answer)).toMatch(/^# TYPE kvm_audio_info gauge\n.*\n# EOF\n$/s);
    } finally {
      await server.stop('SIGKILL');
    }
  });

  it('count a restart, and the client that it cost; what the process counted begins anew', async () => {
    const input = '{direction="input"}';
    const lost = await WireClient.connect(socketPath(daemon.runtimeFolder, 'input'));
    const params = { protocol: protocolVersion, role: 'sink', client: 'test' };
    const hello = encodeMessage({ kind: 'request', id: 1, method: 'hello', params }, heapMemory);
    lost.send(hello.buffer.bytes.subarray(0, hello.length));
    await waitForValues('sound', (now) => (now[frames('input')] ?? 0) > 50);
    lost.send(Buffer.alloc(64, 0xff));
    await lost.waitForEnd();
    await waitForValues(
      'a lost client',
      (now) => now[`kvm_audio_connection_drops_total${input}`] === 1,
    );
    const { pid } = (await daemon.status()).input;
    process.kill(pid as number, 'SIGKILL');
    const after = await waitForValues(
      'restart',
      (now) => now[`kvm_audio_restarts_total${input}`] === 1 && frames('input') in now,
    );
    expect(after[frames('input')]).toBeLessThan(50);
    expect(after[`kvm_audio_connection_drops_total${input}`]).toBe(0);
  });
});
