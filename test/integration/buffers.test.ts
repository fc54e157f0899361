import { setTimeout as pause } from 'node:timers/promises';
import type { PipelineReport } from '@kvm-audio/client';
import { encodeMessage, protocolVersion, socketPath } from '@kvm-audio/protocol';
import { outgoing } from '../helpers/outgoing.js';
import { quietBuffers } from '../helpers/quietStatus.js';
import { inRepository } from '../helpers/repository.js';
import { type ConfigChanges, TestDaemon } from '../helpers/TestDaemon.js';
import { TestProcess } from '../helpers/TestProcess.js';
import { WireClient } from '../helpers/WireClient.js';
import { waitFor } from '../helpers/waitFor.js';

const frameMs = 20;
const frameSamples = 960;
const heardPackets = 25;
/** A packet of 20 ms of silence: CELT, fullband, stereo (RFC 6716 table 2). */
const silence = Uint8Array.of(0xfc, 0xff, 0xfe);

let daemon: TestDaemon;
const listeners: TestProcess[] = [];

async function start(config: ConfigChanges): Promise<void> {
  daemon = await TestDaemon.start({ config });
}

const fixedSize = (frames: number): ConfigChanges => ({
  buffers: { minFrames: frames, startFrames: frames, maxFrames: frames },
});

afterEach(async () => {
  for (const listener of listeners.splice(0)) await listener.stop('SIGKILL');
  await daemon.discard();
});

async function listen(): Promise<TestProcess> {
  const script = inRepository('test/helpers/countingListener.mjs');
  const path = socketPath(daemon.runtimeFolder, 'input');
  const listener = new TestProcess('listener', process.execPath, [script, path, '1'], daemon.env);
  listeners.push(listener);
  await waitFor('first packets', () => {
    listener.assertRunning();
    return listener.output.includes('ready');
  });
  return listener;
}

/** A source of silence. */
class SilentSource {
  #sent = 0;
  readonly #client: WireClient;

  private constructor(client: WireClient) {
    this.#client = client;
  }

  static async connect(): Promise<SilentSource> {
    const client = await WireClient.connect(socketPath(daemon.runtimeFolder, 'output'));
    const params = { protocol: protocolVersion, role: 'source', client: 'burst' };
    const { buffer, length } = encodeMessage({ kind: 'request', id: 1, method: 'hello', params });
    client.send(buffer.bytes.subarray(0, length));
    await client.waitForMessages(1);
    return new SilentSource(client);
  }

  /** Sends so many packets that the stream is heard, at their pace. */
  async stream(): Promise<void> {
    for (const packet of this.#next(heardPackets)) {
      this.#client.send(packet);
      await pause(frameMs);
    }
  }

  /** Sends so many packets at once, as one write. @returns what the pipeline told when it had them. */
  async burst(count: number): Promise<PipelineReport> {
    this.#client.send(Buffer.concat(this.#next(count)));
    const { output } = await daemon.waitForStatus(
      'packets of the burst',
      ({ output }) => output.stream?.framesReceived === this.#sent,
    );
    return output.stream as PipelineReport;
  }

  close(): void {
    this.#client.destroy();
  }

  #next(count: number): Uint8Array[] {
    const first = this.#sent;
    this.#sent += count;
    return Array.from({ length: count }, (_, i) => {
      const { bytes, start: from, end } = outgoing(first + i, silence, (first + i) * frameSamples);
      return bytes.subarray(from, end);
    });
  }
}

describe('the size of a queue', () => {
  it.each([4, 9])('of %i frames is what waits for a client that stands still', async (frames) => {
    await start(fixedSize(frames));
    const listener = await listen();
    await daemon.waitForStatus(
      'size in the pipeline',
      ({ input }) => input.stream?.capacity.frames === frames,
    );
    process.kill(listener.pid, 'SIGSTOP');
    const { input } = await daemon.waitForStatus(
      'full queue',
      ({ input }) => (input.stream?.drops.send_queue_full ?? 0) > 10,
    );
    expect(input.stream).toMatchObject({
      capacity: { frames, ms: frames * frameMs, targetWins: 0 },
      queueMs: frames * frameMs,
    });
    process.kill(listener.pid, 'SIGCONT');
    const after = await daemon.waitForStatus(
      'empty queue',
      ({ input }) => input.stream?.queueMs === 0,
    );
    await listener.stop();
    const [heard] = JSON.parse(listener.output.trim().split('\n').at(-1) ?? '');
    // What was dropped it sees as missing; a machine that stalls later on can add to that.
    const dropped = after.input.stream?.drops.send_queue_full;
    expect(heard.missing).toBeGreaterThanOrEqual(dropped ?? Number.NaN);
    await daemon.stop();
  });

  // What stands still is late: that alone makes the sizes fall, in one step, and none grows.
  const falling: ConfigChanges = {
    buffers: {
      ...{ minFrames: 3, startFrames: 20, maxFrames: 20 },
      ...{ cpuLowPercent: 999, cpuHighPercent: 1_000 },
      // At the first look: after five seconds who stands still is sent away.
      ...{ sizeSmoothing: 1, growTicks: 1_000, shrinkTicks: 1 },
    },
  };

  it('that falls leaves out the oldest of what waits for a client', async () => {
    // Twenty of its frames are the most that ever may wait.
    await start({ ...falling, input: { quality: 'ultra' } });
    const listener = await listen();
    process.kill(listener.pid, 'SIGSTOP');
    const { input: before } = await daemon.waitForStatus(
      'full queue',
      ({ input }) => (input.stream?.drops.send_queue_full ?? 0) > 0,
    );
    const { input: after } = await daemon.waitForStatus(
      'smaller size',
      ({ input }) => input.stream?.capacity.frames === 3,
    );
    expect(before.stream).toMatchObject({ capacity: { frames: 20, ms: 200 }, queueMs: 200 });
    expect(after.stream).toMatchObject({
      ...{ capacity: { frames: 3, ms: 30 }, queueMs: 30, clients: 1 },
      packetsSent: before.stream?.packetsSent,
    });
    const [full, small] = [before.stream as PipelineReport, after.stream as PipelineReport];
    // Each frame that came since took the place of one, and the difference went besides.
    expect(small.drops.send_queue_full - full.drops.send_queue_full).toBe(
      small.framesReceived - full.framesReceived + (20 - 3),
    );
    await listener.stop('SIGKILL');
    await daemon.stop();
  });

  // A stall in the middle of the burst lets more be played, and less be dropped: there is room for
  // 250 ms of it. Four packets and the size are held, the rest is dropped.
  it.each([
    [3, 40, 60 - 3],
    [20, 20, 60 - 20],
  ])('of %i frames is what waits in the jitter buffer', async (frames, least, most) => {
    // A target that follows a busy machine may be more than the size is.
    await start({ ...fixedSize(frames), output: { targetMs: 20 } });
    await daemon.waitForStatus(
      'size in the pipeline',
      ({ output }) => output.stream?.capacity.frames === frames,
    );
    const source = await SilentSource.connect();
    // Of a stream that is not heard already only the newest would be played.
    await source.stream();
    const { drops, capacity } = await source.burst(60);
    expect(capacity).toEqual({ frames, ms: frames * frameMs, targetWins: 0 });
    expect(drops.jitter_overflow).toBeGreaterThan(least);
    expect(drops.jitter_overflow).toBeLessThanOrEqual(most);
    source.close();
    await daemon.stop();
  });

  it('that falls leaves less of the same stream’s next burst in the jitter buffer', async () => {
    await start({
      output: { targetMs: 20 },
      buffers: {
        ...{ minFrames: 3, startFrames: 20, maxFrames: 20, sizeSmoothing: 1 },
        // Any process needs more than this; the first burst is over before it has an effect.
        ...{ cpuLowPercent: 0, cpuHighPercent: 0.01, memoryLowPercent: 0, memoryHighPercent: 0.01 },
        ...{ shrinkTicks: 10, overflowPercent: 100 },
      },
    });
    const source = await SilentSource.connect();
    await source.stream();
    const large = await source.burst(60);
    expect(large.capacity).toMatchObject({ frames: 20, ms: 20 * frameMs });
    expect(large.drops.jitter_overflow).toBeGreaterThan(20);
    expect(large.drops.jitter_overflow).toBeLessThanOrEqual(60 - 20);
    const streamed = await waitFor('smaller size', async () => {
      await source.stream();
      const { stream } = (await daemon.status()).output;
      return stream?.capacity.frames === 3 && stream;
    });
    const small = await source.burst(60);
    const dropped = small.drops.jitter_overflow - streamed.drops.jitter_overflow;
    expect(dropped).toBeGreaterThan(40);
    expect(dropped).toBeLessThanOrEqual(60 - 3);
    source.close();
    await daemon.stop();
  });

  it('under the playout target and a frame is not in effect, and counted', async () => {
    await start({ ...fixedSize(4), output: { targetMs: 100 } });
    const { output, input } = await daemon.waitForStatus('sizes in the pipelines', (status) =>
      [status.output, status.input].every(({ stream }) => stream?.capacity.frames === 4),
    );
    expect(output.stream?.capacity).toEqual({ frames: 4, ms: 120, targetWins: 1 });
    expect(input.stream?.capacity).toEqual({ frames: 4, ms: 80, targetWins: 0 });
    await daemon.stop();
  });

  it('is a time where sizes bind nothing', async () => {
    await start({ buffers: { boundQueues: false } });
    await daemon.bridge();
    const { output, input } = await daemon.waitForStatus(
      'adaptation',
      ({ buffers }) => buffers.adaptation_count > 1,
    );
    for (const { stream } of [output, input]) {
      expect(stream?.capacity).toEqual({ frames: null, ms: 200, targetWins: 0 });
    }
    await daemon.stop();
  });
});

it('sizes follow the machine while audio streams, and go to the next process of a pipeline', async () => {
  await start({});
  const quiet = await daemon.status();
  expect(quiet.buffers).toEqual(quietBuffers);
  await daemon.bridge();
  const { buffers } = await daemon.waitForStatus(
    'adaptation',
    ({ buffers, input, output }) =>
      buffers.adaptation_count > 0 &&
      input.stream?.capacity.frames === buffers.input_buffer_size &&
      output.stream?.capacity.frames === buffers.output_buffer_size,
  );
  expect(buffers.average_latency_ms).toBeGreaterThanOrEqual(0);
  expect(buffers.system_cpu_percent).toBeGreaterThan(0);
  expect(buffers.system_memory_percent).toBeGreaterThan(0);
  expect(Math.abs((buffers.last_adaptation ?? 0) - Date.now())).toBeLessThan(60_000);
  process.kill(quiet.input.pid as number, 'SIGKILL');
  await daemon.waitForStatus(
    'size of the next process',
    ({ buffers, input }) =>
      input.restarts === 1 && input.stream?.capacity.frames === buffers.input_buffer_size,
  );
  await daemon.stop();
});
