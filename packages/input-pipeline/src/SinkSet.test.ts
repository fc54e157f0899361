import { closeSync } from 'node:fs';
import net from 'node:net';
import { FramePool, PacketSlot, packetSlotBytes } from '@kvm-audio/audio';
import { SocketStream } from '@kvm-audio/daemon';
import { socketPair } from '@kvm-audio/native-alsa/sys';
import {
  AudioPacketReader,
  Connection,
  isAudioPacket,
  limits,
  ReceiveBuffer,
} from '@kvm-audio/protocol';
import { until } from '../../../test/helpers/until.js';
import { SinkSet } from './SinkSet.js';

const open: { destroy(): void }[] = [];
afterEach(() => {
  for (const end of open) end.destroy();
  open.length = 0;
});

/** A pool for one slow sink and some that are quick, as the pipeline sizes its own. */
const pool = new FramePool('packets', { sinks: 20 }, packetSlotBytes, (b) => new PacketSlot(b));

type Sink = {
  connection: Connection;
  /** The other end begins to read; Node reads ahead where a socket is only paused. */
  read(): void;
  seqs: number[];
  others: number;
  /** The other end dies. */
  die(): void;
};

function sinkOf(set: SinkSet, reads = true): Sink {
  const [ours, theirs] = socketPair();
  const connection = new Connection(new SocketStream(ours), {
    onRequest: () => null,
    onNotification: () => undefined,
    onPacket: () => undefined,
    onClose: () => set.remove(connection),
  });
  const receive = new ReceiveBuffer();
  const reader = new AudioPacketReader();
  const sink: Sink = {
    connection,
    seqs: [],
    others: 0,
    read: () => {
      const peer = new net.Socket({ fd: theirs, readable: true, writable: true });
      peer.on('error', () => undefined);
      peer.on('data', (chunk) =>
        receive.feed(chunk, (bytes, start, end) => {
          if (isAudioPacket(bytes, start, end)) sink.seqs.push(reader.read(bytes, start, end).seq);
          else sink.others += 1;
        }),
      );
      open.push(peer);
    },
    die: () => closeSync(theirs),
  };
  if (reads) sink.read();
  open.push(connection);
  set.add(connection, 'test');
  return sink;
}

/** As the pipeline does it: acquire, seal, send, release. @returns false where the pool is empty. */
function send(set: SinkSet, seq: number, frames = 960): boolean {
  const slot = pool.acquire();
  if (!slot) return false;
  slot.seq = seq;
  slot.frames = frames;
  slot.captureTimeUs = undefined;
  slot.setPayload(limits.packetPayloadBytesMax);
  slot.seal();
  set.send(slot);
  slot.release();
  return true;
}

const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

describe('a set of sinks', () => {
  test('sends each packet to each, from one slot', async () => {
    const set = new SinkSet();
    const sinks = [sinkOf(set), sinkOf(set), sinkOf(set)];
    expect(set.size).toBe(3);
    for (let seq = 0; seq < 50; seq++) {
      send(set, seq);
      await until(() => sinks.every(({ seqs }) => seqs.length === seq + 1));
    }
    expect(pool.stats().peak).toBe(1);
    await until(() => sinks.every(({ seqs }) => seqs.length === 50));
    for (const { seqs } of sinks) expect(seqs).toEqual(numbers(50));
    expect(set.totals()).toEqual({ sent: 150, dropped: 0 });
    pool.assertAllHome();
  });

  test('lets a sink that does not read lose its own packets, and no other', async () => {
    const set = new SinkSet();
    const [slow, quick] = [sinkOf(set, false), sinkOf(set)];
    for (let seq = 0; seq < 300; seq++) {
      expect(send(set, seq)).toBe(true);
      await until(() => quick.seqs.length === seq + 1);
    }
    expect(quick.seqs).toEqual(numbers(300));
    // Two are in the kernel, 200 ms wait.
    expect(set.totals().dropped).toBe(300 - 2 - 10);
    expect(pool.stats().peak).toBe(11);
    slow.read();
    await until(() => {
      set.flush();
      return slow.seqs.at(-1) === 299;
    });
    expect(slow.seqs.length).toBe(300 - set.totals().dropped);
    await until(() => pool.stats().inUse === 0);
  });

  test('lets as many packets wait for each as its size says, old and new sinks alike', async () => {
    const set = new SinkSet();
    const [stopped, quick] = [sinkOf(set, false), sinkOf(set)];
    const sendAll = async (from: number, to: number): Promise<void> => {
      for (let seq = from; seq < to; seq++) {
        send(set, seq);
        await until(() => quick.seqs.at(-1) === seq);
      }
    };
    await sendAll(0, 40);
    expect(set.queueMs).toBe(200 / 2);
    expect(set.totals().dropped).toBe(40 - 2 - 10);
    set.resize(4);
    expect(set.queueMs).toBe(80 / 2);
    expect(set.totals().dropped).toBe(40 - 2 - 4);
    const later = sinkOf(set, false);
    await sendAll(40, 60);
    expect(set.queueMs).toBe((80 + 80) / 3);
    expect(set.totals().dropped).toBe(60 - 2 - 4 + 20 - 2 - 4);
    for (const sink of [stopped, later]) sink.read();
    await until(() => {
      set.flush();
      return stopped.seqs.at(-1) === 59 && later.seqs.at(-1) === 59;
    });
    // Two were with the kernel, four waited.
    expect(stopped.seqs).toEqual([0, 1, 56, 57, 58, 59]);
    expect(later.seqs).toEqual([40, 41, 56, 57, 58, 59]);
    expect(set.queueMs).toBe(0);
    await until(() => pool.stats().inUse === 0);
  });

  test('counts its size in packets of the present length, and never beyond 200 ms', async () => {
    const set = new SinkSet();
    expect(set.capacity(20)).toEqual({ frames: null, ms: 200, targetWins: 0 });
    set.resize(6);
    expect(set.capacity(20)).toEqual({ frames: 6, ms: 120, targetWins: 0 });
    expect(set.capacity(2.5).ms).toBe(15);
    set.resize(20);
    expect(set.capacity(10).ms).toBe(200);
    expect(set.capacity(60).ms).toBe(200);
    const slow = sinkOf(set, false);
    for (let seq = 0; seq < 50; seq++) {
      send(set, seq, seq < 30 ? 960 : 240);
      await new Promise((resolve) => setImmediate(resolve));
    }
    // 20 packets of 5 ms: those of 20 ms went when the first of them came.
    expect(set.queueMs).toBe(100);
    slow.connection.destroy();
    await until(() => pool.stats().inUse === 0);
  });

  test('gets the slots back of a sink that dies with a full queue, and keeps its counts', async () => {
    const set = new SinkSet();
    const dying = sinkOf(set, false);
    for (let seq = 0; seq < 100; seq++) {
      send(set, seq);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(pool.stats().inUse).toBeGreaterThan(0);
    dying.die();
    await until(() => set.size === 0);
    await until(() => pool.stats().inUse === 0);
    const after = set.totals();
    expect(after.sent + after.dropped).toBe(100);
    set.remove(dying.connection);
    expect(set.totals()).toEqual(after);
  });

  test('tells all what is to be told', async () => {
    const set = new SinkSet();
    const sinks = [sinkOf(set), sinkOf(set)];
    set.notify('format.changed', {});
    await until(() => sinks.every(({ others }) => others === 1));
  });

  test('without sinks is content', () => {
    const set = new SinkSet();
    send(set, 0);
    expect(set.totals()).toEqual({ sent: 0, dropped: 0 });
    pool.assertAllHome();
  });
});

describe('a set of sinks whose packets others send', () => {
  /** A packet that lies in the memory that was lent. */
  function slotOf(seq: number): PacketSlot {
    const slot = pool.acquire()!;
    slot.seq = seq;
    slot.frames = 960;
    slot.captureTimeUs = undefined;
    slot.setPayload(100);
    slot.seal();
    return slot;
  }

  test('gives a gate for each, in their order, and counts what they have sent', () => {
    const set = new SinkSet();
    expect(set.idleGates(20)).toEqual([]);
    const sinks = [sinkOf(set), sinkOf(set)];
    expect(set.idleGates(20)).toEqual(sinks.map(({ connection }) => connection.packetGate));
    set.noteSent(7);
    expect(set.totals()).toEqual({ sent: 14, dropped: 0 });
    const third = sinkOf(set);
    set.noteSent(0);
    set.noteSent(2);
    expect(set.totals()).toEqual({ sent: 20, dropped: 0 });
    set.remove(third.connection);
    expect(set.totals()).toEqual({ sent: 20, dropped: 0 });
  });

  test('offers the last of them to those who have not had it', async () => {
    const set = new SinkSet();
    const sinks = [sinkOf(set), sinkOf(set), sinkOf(set)];
    const packet = slotOf(41);
    set.noteSent(5, { packet, had: 1 });
    packet.release();
    await until(() => sinks[1]!.seqs.length === 1 && sinks[2]!.seqs.length === 1);
    expect(sinks.map(({ seqs }) => seqs)).toEqual([[], [41], [41]]);
    expect(set.totals()).toEqual({ sent: 15, dropped: 0 });
    pool.assertAllHome();
  });

  test('gives none while a packet waits for one of them, and all again when it is out', async () => {
    const set = new SinkSet();
    const [slow, quick] = [sinkOf(set, false), sinkOf(set)];
    for (let seq = 0; seq < 2; seq++) send(set, seq);
    expect(set.idleGates(20)).toHaveLength(2);
    const packet = slotOf(2);
    set.noteSent(1, { packet, had: 0 });
    packet.release();
    expect(set.idleGates(20)).toBeUndefined();
    expect(set.queueMs).toBeGreaterThanOrEqual(10);
    slow.read();
    await until(() => {
      set.flush();
      return set.idleGates(20) !== undefined;
    });
    await until(() => slow.seqs.length === 3 && quick.seqs.length === 3);
    expect(slow.seqs).toEqual([0, 1, 2]);
    expect(set.totals()).toEqual({ sent: 6, dropped: 0 });
    pool.assertAllHome();
  });

  test('gives none for one that is closed', async () => {
    const set = new SinkSet();
    const [first, second] = [sinkOf(set), sinkOf(set)];
    second.connection.end();
    expect(set.idleGates(20)).toBeUndefined();
    second.connection.destroy();
    await until(() => set.size === 1);
    expect(set.idleGates(20)).toEqual([first.connection.packetGate]);
  });

  test('lets the queues follow the length of what others send', () => {
    const set = new SinkSet();
    set.resize(6);
    sinkOf(set, false);
    for (let seq = 0; seq < 12; seq++) send(set, seq);
    expect(set.queueMs).toBe(120);
    set.idleGates(10);
    expect(set.queueMs).toBe(60);
    set.idleGates(20);
  });

  test('has patience anew with one that has taken what others sent', async () => {
    const set = new SinkSet();
    const slow = sinkOf(set, false);
    const now = jest.spyOn(performance, 'now').mockReturnValue(1_000);
    for (let seq = 0; seq < 3; seq++) send(set, seq);
    now.mockReturnValue(1_000 + limits.slowConsumerMs - 1);
    set.noteSent(1);
    now.mockReturnValue(1_000 + limits.slowConsumerMs + 1);
    set.flush();
    expect(slow.connection.closed).toBe(false);
    now.mockReturnValue(1_000 + 2 * limits.slowConsumerMs + 2);
    set.flush();
    expect(slow.connection.closed).toBe(true);
    now.mockRestore();
    await until(() => pool.stats().inUse === 0);
  });
});
