import { setTimeout as pause } from 'node:timers/promises';
import type { PipelineReport } from '@kvm-audio/client';
import { encodeMessage, protocolVersion, socketPath } from '@kvm-audio/protocol';
import { outgoing } from '../helpers/outgoing.js';
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

/** Sends so many packets at once, as one write, behind some at their pace. @returns what the pipeline told when it had them. */
async function burst(count: number): Promise<PipelineReport> {
  const source = await WireClient.connect(socketPath(daemon.runtimeFolder, 'output'));
  const params = { protocol: protocolVersion, role: 'source', client: 'burst' };
  const { buffer, length } = encodeMessage({ kind: 'request', id: 1, method: 'hello', params });
  source.send(buffer.bytes.subarray(0, length));
  await source.waitForMessages(1);
  const packets = Array.from({ length: heardPackets + count }, (_, seq) => {
    const { bytes, start: from, end } = outgoing(seq, silence, seq * frameSamples);
    return bytes.subarray(from, end);
  });
  // A stream that is heard already: of one that is not, only the newest would be played.
  for (const packet of packets.slice(0, heardPackets)) {
    source.send(packet);
    await pause(frameMs);
  }
  source.send(Buffer.concat(packets.slice(heardPackets)));
  const { output } = await daemon.waitForStatus(
    'packets of the burst',
    ({ output }) => output.stream?.framesReceived === packets.length,
  );
  source.destroy();
  return output.stream as PipelineReport;
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
    const { drops, capacity } = await burst(60);
    expect(capacity).toEqual({ frames, ms: frames * frameMs, targetWins: 0 });
    expect(drops.jitter_overflow).toBeGreaterThan(least);
    expect(drops.jitter_overflow).toBeLessThanOrEqual(most);
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
  expect(quiet.buffers).toEqual({
    input_buffer_size: 6,
    output_buffer_size: 6,
    average_latency_ms: null,
    system_cpu_percent: null,
    system_memory_percent: null,
    adaptation_count: 0,
    last_adaptation: null,
  });
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
