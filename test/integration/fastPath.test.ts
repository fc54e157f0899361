import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { effectiveFormat, encoderSettings, NativeBackend } from '@kvm-audio/audio';
import {
  type AudioPacket,
  type DaemonStatus,
  type Direction,
  directions,
  Listener,
  socketPath,
  Talker,
} from '@kvm-audio/client';
import { loadOpusAddon } from '@kvm-audio/native-alsa/opus';
import { PcmRecording } from '../helpers/PcmRecording.js';
import { Random } from '../helpers/random.js';
import { splitChannels, steepestStep } from '../helpers/signal.js';
import { type ConfigChanges, TestDaemon } from '../helpers/TestDaemon.js';
import { waitFor } from '../helpers/waitFor.js';
import { fadedStepMax, toneAt, toneStepMax } from '../simulation/ToneDecoder.js';

type Report = NonNullable<DaemonStatus['input']['stream']>;

/** Hears the input and sends it to the output; knows what each of them must have counted. */
class CountingBridge {
  readonly seqs: number[] = [];
  heardBytes = 0;
  sent = 0;
  sentBytes = 0;
  readonly #listener: Listener;
  readonly #talker: Talker;

  /** @param payloadOf what is sent in the place of what was heard. */
  constructor(
    runtimeFolder: string,
    takeover = false,
    payloadOf: (packet: AudioPacket) => Uint8Array = ({ payload }) => payload,
  ) {
    const client = 'counting bridge';
    this.#listener = new Listener({ path: socketPath(runtimeFolder, 'input'), client });
    this.#talker = new Talker({ path: socketPath(runtimeFolder, 'output'), client, takeover });
    this.#listener.on('packet', (packet) => {
      this.seqs.push(packet.seq);
      this.heardBytes += packet.payload.length;
      const payload = payloadOf(packet);
      if (this.#talker.send({ ...packet, payload }) === 'dropped') return;
      this.sent += 1;
      this.sentBytes += payload.length;
    });
  }

  get missed(): number {
    return this.seqs.length === 0 ? 0 : this.seqs.at(-1)! - this.seqs[0]! + 1 - this.seqs.length;
  }

  close(): void {
    this.#listener.close();
    this.#talker.close();
  }
}

/** How often the thread that has the event loop has gone to sleep. */
function sleeps(pid: number): number {
  const text = readFileSync(`/proc/${pid}/task/${pid}/status`, 'utf8');
  return Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(text)?.[1]);
}

/** The real-time priority of a card's thread, 0 = it has none. */
function priority(pid: number, thread: string): number | undefined {
  const tasks = readdirSync(`/proc/${pid}/task`).map((tid) => `/proc/${pid}/task/${tid}`);
  const task = tasks.find((folder) => readFileSync(`${folder}/comm`, 'utf8').trim() === thread);
  if (task === undefined) return undefined;
  const fields = readFileSync(`${task}/stat`, 'utf8').split(') ')[1]!.split(' ');
  // proc(5): field 40, counted from 1; the first one here is 3.
  return Number(fields[37]);
}

/** What a source sends that began with the tone, at some moment of it, before it was heard. */
function toneSource(phaseFrames: number): (packet: AudioPacket) => Uint8Array {
  const format = effectiveFormat({
    ...{ direction: 'output', level: 'ultra', profile: 'program', deviceChannels: 2 },
  });
  const settings = encoderSettings(format);
  const encoder = new NativeBackend(loadOpusAddon()).createEncoder(format.application, 2, settings);
  const frames = format.frameMs * 48;
  const packet = new Uint8Array(format.maxPacketBytes);
  const encode = (from: number): Uint8Array =>
    packet.subarray(0, encoder.encode(toneAt(from, frames), frames, packet));
  let begun = false;
  return ({ mediaTime }) => {
    const from = mediaTime + phaseFrames;
    // After five frames the tone is where it was.
    for (let i = 0; i < 5 && !begun; i++) encode(from + i * frames);
    begun = true;
    return encode(from);
  };
}

const sum = (counts: object): number =>
  Object.values(counts).reduce((all: number, count) => all + (count as number), 0);

/** Packets that are not heard yet have no latency: now some, now none. */
const unheardMax = 3;

/** What each report of a pipeline must hold, whatever has happened before. */
const residue: Record<Direction, (report: Report) => number[]> = {
  input: ({ framesReceived, packetsSent, drops, stages, latency, queueMs, format }) => [
    framesReceived - stages.encode!.totalCount,
    framesReceived - stages.capture_wait!.totalCount,
    framesReceived - latency.totalCount,
    // Of one client; what it has not read in time waits for it.
    framesReceived - packetsSent - drops.send_queue_full - queueMs / format.frameMs,
  ],
  output: ({ framesReceived, drops, stages, latency }) => [
    framesReceived - stages.decode!.totalCount - sum(drops),
    framesReceived - stages.device!.totalCount - sum(drops),
    framesReceived - latency.totalCount - sum(drops),
  ],
};

/** What was lost in between stays missing; what is only late is heard in the next report. */
async function allPlayedSince(before: Report, daemon: TestDaemon): Promise<void> {
  const counts = residue.output(before);
  await daemon.waitForStatus('counts of packets that were heard', ({ output: { stream } }) => {
    // What a busy machine makes late may be cut off whole: nothing of it is heard.
    const cutMost = (stream!.trimmedMs - before.trimmedMs) / stream!.format.frameMs;
    const most = unheardMax + cutMost;
    return residue.output(stream!).every((left, i) => Math.abs(left - counts[i]!) <= most);
  });
}

describe('a steady stream', () => {
  let daemon: TestDaemon;
  const bridges: CountingBridge[] = [];

  afterEach(async () => {
    for (const bridge of bridges.splice(0)) bridge.close();
    await daemon.stop();
  });

  test('is carried before others: the playing card first, then the capturing one', async () => {
    daemon = await TestDaemon.start({ config: { realtime: { fifoPriority: 3 } } });
    const { output, input } = await daemon.status();
    // A pipeline runs before its card is open.
    const priorities = await waitFor('threads of both cards', () => {
      const found = [priority(output.pid!, 'alsa-playback'), priority(input.pid!, 'alsa-capture')];
      return found.includes(undefined) ? undefined : found;
    });
    const refused = (wanted: number): boolean =>
      daemon.log.includes(`SCHED_FIFO ${wanted} was refused`);
    expect(priorities).toEqual([refused(3) ? 0 : 3, refused(2) ? 0 : 2]);
  });

  function connect(
    takeover = false,
    payloadOf?: (packet: AudioPacket) => Uint8Array,
  ): CountingBridge {
    const bridge = new CountingBridge(daemon.runtimeFolder, takeover, payloadOf);
    bridges.push(bridge);
    return bridge;
  }

  /** With frames of 10 ms, so that many are soon heard. */
  async function start(codec: ConfigChanges['codec'] = {}): Promise<CountingBridge> {
    const quality = 'ultra';
    daemon = await TestDaemon.start({ config: { codec, input: { quality }, output: { quality } } });
    const bridge = connect();
    await heard(bridge, 10);
    return bridge;
  }

  /** The first in which both pipelines have met their client. */
  function firstStatus(): Promise<DaemonStatus> {
    return daemon.waitForStatus('figures of the stream', ({ input, output }) => {
      return input.stream!.packetsSent > 0 && output.stream!.framesReceived > 0;
    });
  }

  async function heard(bridge: CountingBridge, packets: number): Promise<void> {
    const { length } = bridge.seqs;
    await waitFor(`${packets} packets`, () => bridge.seqs.length >= length + packets, 60_000);
  }

  /** The share of so many frames for which the event loop of a pipeline woke. */
  async function wakesPerFrame(direction: Direction, bridge: CountingBridge): Promise<number> {
    const pid = (await daemon.status())[direction].pid!;
    const before = sleeps(pid);
    const { length } = bridge.seqs;
    await heard(bridge, 100);
    return (sleeps(pid) - before) / (bridge.seqs.length - length);
  }

  /** A busy machine has late packets, which are JavaScript's: it is asked again. */
  async function isCarried(direction: Direction, bridge: CountingBridge): Promise<void> {
    const shares: number[] = [];
    while (shares.length < 20) {
      const share = await wakesPerFrame(direction, bridge);
      if (share < 0.25) return;
      shares.push(share);
    }
    throw new Error(`the event loop of the ${direction} wakes too often: ${shares}`);
  }

  /** The stream ends at the card; all that was on its way arrives. */
  async function countsAddUp(bridge: CountingBridge): Promise<void> {
    await daemon.inputCard.control('unplug');
    await daemon.waitForStatus('input without a card', ({ input }) => {
      return input.stream?.state === 'no-device';
    });
    const { input, output } = await daemon.waitForStatus(
      'figures that are those of the client',
      (status) => {
        const { seqs, missed, sent } = bridge;
        const { packetsSent, drops, queueMs } = status.input.stream!;
        return (
          queueMs === 0 &&
          packetsSent === seqs.length &&
          drops.send_queue_full === missed &&
          status.output.stream!.framesReceived === sent
        );
      },
    );
    expect(input.stream!.framesReceived).toBe(bridge.seqs.at(-1)! + 1);
    expect(output.stream!.bytes).toBe(bridge.sentBytes);
  }

  it('is carried while the event loops sleep, and all is counted to the byte', async () => {
    const bridge = await start();
    const before = await firstStatus();
    for (const direction of directions) await isCarried(direction, bridge);
    const after = await daemon.status();
    for (const direction of directions) {
      const [first, last] = [before[direction].stream!, after[direction].stream!];
      expect(last.framesReceived).toBeGreaterThan(first.framesReceived);
      if (direction === 'output') await allPlayedSince(first, daemon);
      else expect(residue.input(last)).toEqual(residue.input(first));
    }
    await countsAddUp(bridge);
  });

  it('is not carried where the codec is JavaScript', async () => {
    const bridge = await start({ backend: 'wasm' });
    for (const direction of directions) {
      // A busy machine's event loop finds several packets when it wakes: it is asked again.
      const shares: number[] = [];
      while (shares.length < 5 && !shares.some((share) => share > 0.5)) {
        shares.push(await wakesPerFrame(direction, bridge));
      }
      expect(Math.max(...shares)).toBeGreaterThan(0.5);
    }
    await countsAddUp(bridge);
  });

  it('is carried again after each change, and nothing is lost by them', async () => {
    const bridge = await start();
    const before = await firstStatus();
    for (const level of ['low', 'medium', 'ultra'] as const) {
      for (const direction of directions) await daemon.call('quality.set', { direction, level });
      await heard(bridge, 60);
    }
    await daemon.waitForStatus('losses that are those of the client', ({ input }) => {
      return input.stream!.drops.send_queue_full === bridge.missed;
    });
    const second = connect();
    await heard(second, 30);
    second.close();
    await heard(bridge, 30);
    for (const direction of directions) await isCarried(direction, bridge);
    const after = await daemon.status();
    await allPlayedSince(before.output.stream!, daemon);
    // What was sent to the second listener is beside the count.
    expect(residue.input(after.input.stream!).slice(0, 3)).toEqual(
      residue.input(before.input.stream!).slice(0, 3),
    );
    // A busy machine's second listener may have been too slow as well.
    expect(bridge.missed).toBeLessThanOrEqual(after.input.stream!.drops.send_queue_full);
  });

  it('of a source that takes another’s place is carried as the first was', async () => {
    const first = await start();
    await isCarried('output', first);
    const second = connect(true);
    await heard(second, 30);
    await isCarried('output', second);
    const { output } = await daemon.status();
    expect(output.stream!.clients).toBe(1);
  });

  /** The steepest step of a tone, whose period is 100 samples, while its source changes. */
  async function steepestOfChanges(): Promise<number> {
    const { outputCard, folder } = daemon;
    const recording = await PcmRecording.start(outputCard, join(folder, 'changes.raw'));
    try {
      for (const phaseFrames of [50, 0, 75, 25]) {
        await heard(connect(true, toneSource(phaseFrames)), 50);
      }
      const [left] = splitChannels(await recording.stop(), 2);
      return 32_768 * steepestStep(left!);
    } finally {
      await recording.abandon();
    }
  }

  it('of sources that take each other’s place has no click where they change', async () => {
    await start();
    await heard(connect(true, toneSource(0)), 100);
    // A machine that stalls makes gaps and losses, with clicks of their own: it is asked again.
    const takes: number[] = [];
    while (takes.length < 10 && !takes.some((steepest) => steepest <= fadedStepMax)) {
      takes.push(await steepestOfChanges());
      for (const bridge of bridges.splice(0, bridges.length - 1)) bridge.close();
    }
    const smoothest = Math.min(...takes);
    expect(smoothest).toBeGreaterThan(0.9 * toneStepMax);
    expect(smoothest).toBeLessThanOrEqual(fadedStepMax);
  });

  it.each(directions)('is carried again by a new process of the %s', async (direction) => {
    const bridge = await start();
    await isCarried(direction, bridge);
    const { pid } = (await daemon.status())[direction];
    process.kill(pid!, 'SIGKILL');
    await daemon.waitForStatus(
      'new process',
      (status) => status[direction].pid !== pid && status[direction].stream?.clients === 1,
    );
    await isCarried(direction, bridge);
  });

  it.each(directions)('is carried again when the card of the %s is back', async (direction) => {
    const bridge = await start();
    await isCarried(direction, bridge);
    const card = direction === 'input' ? daemon.inputCard : daemon.outputCard;
    await card.control('unplug');
    await daemon.waitForStatus(
      'no card',
      (status) => status[direction].stream?.state === 'no-device',
    );
    await card.control('replug');
    await daemon.waitForStatus('card', (status) => status[direction].stream?.state === 'running');
    await heard(bridge, 10);
    for (const each of directions) await isCarried(each, bridge);
    await countsAddUp(bridge);
  });

  it('goes through a storm of changes, and is carried again with all counts right', async () => {
    const bridge = await start();
    const before = await firstStatus();
    const { inputCard, outputCard } = daemon;
    const random = new Random(20);
    const changes: (() => Promise<unknown>)[] = [
      ...(['low', 'medium', 'high', 'ultra'] as const).flatMap((level) =>
        directions.map((direction) => () => daemon.call('quality.set', { direction, level })),
      ),
      () => inputCard.control('xrun', 'capture'),
      () => outputCard.control('xrun', 'playback'),
      () => outputCard.control('host-idle', 'on'),
      () => outputCard.control('host-idle', 'off'),
      async () => {
        const listener = connect();
        await heard(listener, 1);
        listener.close();
      },
    ];
    for (let i = 0; i < 20; i++) {
      await changes[Math.floor(random.next() * changes.length)]!();
      await heard(bridge, Math.floor(random.next() * 12));
    }
    await outputCard.control('host-idle', 'off');
    for (const direction of directions) {
      await daemon.call('quality.set', { direction, level: 'ultra' });
      await isCarried(direction, bridge);
    }
    const settled = await daemon.status();
    await isCarried('output', bridge);
    // Between two of the counts there may be a packet.
    const after = await daemon.waitForStatus(
      'counts of packets that agree',
      ({ output }) => new Set(residue.output(output.stream!)).size === 1,
    );
    expect(residue.input(after.input.stream!).slice(0, 3)).toEqual(
      residue.input(before.input.stream!).slice(0, 3),
    );
    // Packets that waited for a card that stood still are played by nobody, and no drop.
    await allPlayedSince(settled.output.stream!, daemon);
    expect(after.input.restarts + after.output.restarts).toBe(0);
    expect(bridge.missed).toBeLessThanOrEqual(after.input.stream!.drops.send_queue_full);
  });
});
