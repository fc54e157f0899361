import { strict as assert } from 'node:assert';
import net from 'node:net';
import { listenForOne, makeSocketFolder } from '../../../test/helpers/socketFolder.js';
import { until } from '../../../test/helpers/until.js';
import { AudioPacketReader, packetHeaderBytesMax, writePacketHeader } from './audioPacket.js';
import { Connection } from './Connection.js';
import { limits } from './limits.js';
import { NodeStream } from './NodeStream.js';
import { type OutgoingPacket, PacketSender } from './PacketSender.js';
import { ReceiveBuffer } from './ReceiveBuffer.js';

const folder = makeSocketFolder();
afterAll(() => folder.remove());
const open: { destroy(): void }[] = [];
afterEach(() => {
  jest.restoreAllMocks();
  for (const end of open) end.destroy();
  open.length = 0;
});
let sockets = 0;

/** A packet that knows who holds it. */
class CountedPacket implements OutgoingPacket {
  static held = 0;
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
  readonly durationMs: number;
  #holders = 0;

  constructor(seq: number, durationMs = 20, payloadBytes = 4_096) {
    this.end = packetHeaderBytesMax + payloadBytes;
    this.bytes = Buffer.alloc(this.end, seq);
    this.start = writePacketHeader(this.bytes, payloadBytes, seq, 0, undefined, 0);
    this.durationMs = durationMs;
  }

  retain(): void {
    this.#holders += 1;
    CountedPacket.held += 1;
  }

  release(): void {
    assert(this.#holders > 0, 'released more often than it was held');
    this.#holders -= 1;
    CountedPacket.held -= 1;
  }
}

type Bench = {
  connection: Connection;
  sender: PacketSender;
  peer: net.Socket;
  received: number[];
  closed(): boolean;
  /** Writes that the kernel has not accepted. */
  inFlight(): number;
};

/** @param connect makes the other end, which does not read unless it is told to. */
async function bench(
  queueMsMax?: number,
  connect = (path: string): net.Socket => net.connect({ path }),
): Promise<Bench> {
  const path = folder.path(`${sockets++}`);
  const { socket } = await listenForOne(path);
  const peer = connect(path);
  peer.on('error', () => undefined);
  peer.pause();
  let closed = false;
  const stream = NodeStream.accepted(await socket);
  const connection = new Connection(stream, {
    onRequest: () => null,
    onNotification: () => undefined,
    onPacket: () => undefined,
    onClose: () => {
      closed = true;
    },
  });
  open.push(connection, peer);
  let inFlight = 0;
  const trySend = stream.trySend.bind(stream);
  jest.spyOn(stream, 'trySend').mockImplementation((packet) => {
    const { bytes, start, end, durationMs } = packet;
    const retain = (): void => {
      inFlight += 1;
      packet.retain();
    };
    const release = (): void => {
      inFlight -= 1;
      packet.release();
    };
    return trySend({ bytes, start, end, durationMs, retain, release });
  });
  const receive = new ReceiveBuffer();
  const received: number[] = [];
  peer.on('data', (chunk) =>
    receive.feed(chunk, (bytes, start, end) => {
      received.push(new AudioPacketReader().read(bytes, start, end).seq);
    }),
  );
  return {
    connection,
    sender: new PacketSender(connection, queueMsMax),
    peer,
    received,
    closed: () => closed,
    inFlight: () => inFlight,
  };
}

/** Offers packets until the kernel takes no more. @returns how many were offered. */
async function fillKernel({ sender, inFlight }: Bench): Promise<number> {
  let offered = 0;
  for (let settled = 0; settled < 20; ) {
    const before = sender.sent;
    if (sender.queuedMs === 0 && inFlight() < limits.packetsInFlightMax) {
      sender.offer(new CountedPacket(offered++));
    }
    await new Promise((resolve) => setImmediate(resolve));
    settled = sender.sent === before && inFlight() === limits.packetsInFlightMax ? settled + 1 : 0;
  }
  return offered;
}

afterEach(async () => {
  try {
    await until(() => CountedPacket.held === 0, 'the return of all packets');
  } finally {
    CountedPacket.held = 0;
  }
});

describe('a packet sender', () => {
  test('sends every packet to a client that reads, in order, and holds none', async () => {
    const all = await bench();
    const { sender, peer, received } = all;
    peer.resume();
    for (let seq = 0; seq < 500; seq++) {
      sender.offer(new CountedPacket(seq, 20, 100));
      await until(() => sender.queuedMs === 0);
    }
    await until(() => received.length === 500);
    expect(received).toEqual(Array.from({ length: 500 }, (_, i) => i));
    expect(sender).toMatchObject({ sent: 500, dropped: 0, queuedMs: 0 });
  });

  test('has the kernel take a burst at once', async () => {
    const all = await bench();
    for (let seq = 0; seq < 12; seq++) all.sender.offer(new CountedPacket(seq));
    expect(all.sender).toMatchObject({ sent: 12, queuedMs: 0 });
    expect(all.inFlight()).toBe(0);
    all.peer.resume();
    await until(() => all.received.length === 12);
    expect(all.received).toEqual(Array.from({ length: 12 }, (_, i) => i));
  });

  test('queues 200 ms for a client that does not read, and drops the oldest beyond', async () => {
    const all = await bench();
    const { sender, peer, received } = all;
    const first = await fillKernel(all);
    for (let i = 0; i < 25; i++) sender.offer(new CountedPacket(first + i));
    expect(sender.queuedMs).toBe(limits.sendQueueMs);
    expect(sender.dropped).toBe(15);
    expect(all.inFlight()).toBe(2);
    peer.resume();
    await until(() => received.length === first + 10);
    expect(received).toEqual([
      ...Array.from({ length: first }, (_, i) => i),
      ...Array.from({ length: 10 }, (_, i) => first + 15 + i),
    ]);
    expect(sender).toMatchObject({ sent: first + 10, dropped: 15, queuedMs: 0 });
  });

  test('tells of each packet that had to wait how long it did, of no other', async () => {
    const all = await bench();
    const waits: number[] = [];
    all.sender.onWaited = (waitedMs) => waits.push(waitedMs);
    const first = await fillKernel(all);
    expect(waits).toEqual([]);
    const beforeMs = performance.now();
    for (let i = 0; i < 5; i++) all.sender.offer(new CountedPacket(first + i));
    all.peer.resume();
    await until(() => waits.length === 5);
    const afterMs = performance.now();
    for (const waitedMs of waits) {
      expect(waitedMs).toBeGreaterThan(0);
      expect(waitedMs).toBeLessThanOrEqual(afterMs - beforeMs);
    }
  });

  test('counts its queue in milliseconds, whatever the packets’ length', async () => {
    const all = await bench(20);
    await fillKernel(all);
    for (let seq = 0; seq < 8; seq++) all.sender.offer(new CountedPacket(seq, 2.5));
    expect(all.sender).toMatchObject({ queuedMs: 20, dropped: 0 });
    all.sender.offer(new CountedPacket(8, 10));
    expect(all.sender).toMatchObject({ queuedMs: 20, dropped: 4 });
    all.sender.stop();
    all.connection.destroy();
  });

  test('has nothing queued when nothing waits, whatever the packets’ length', async () => {
    const all = await bench();
    const first = await fillKernel(all);
    for (let i = 0; i < 3; i++) all.sender.offer(new CountedPacket(first + i, 2.61));
    all.peer.resume();
    await until(() => all.received.length === first + 3);
    expect(all.sender.queuedMs).toBe(0);
  });

  test('drops the oldest at once where less may wait from now on', async () => {
    const all = await bench();
    const { sender, peer, received } = all;
    const first = await fillKernel(all);
    for (let i = 0; i < 10; i++) sender.offer(new CountedPacket(first + i));
    sender.bound(80);
    expect(sender).toMatchObject({ queuedMs: 80, dropped: 6 });
    expect(CountedPacket.held).toBe(2 + 4);
    sender.offer(new CountedPacket(first + 10));
    expect(sender).toMatchObject({ queuedMs: 80, dropped: 7 });
    sender.bound(100);
    sender.offer(new CountedPacket(first + 11));
    sender.offer(new CountedPacket(first + 12));
    expect(sender).toMatchObject({ queuedMs: 100, dropped: 8 });
    peer.resume();
    await until(() => received.length === first + 5);
    expect(received.slice(first)).toEqual([8, 9, 10, 11, 12].map((i) => first + i));
  });

  test('keeps the newest packet even where it is longer than the queue', async () => {
    const all = await bench(20);
    await fillKernel(all);
    all.sender.offer(new CountedPacket(0, 60));
    all.sender.offer(new CountedPacket(1, 60));
    expect(all.sender).toMatchObject({ queuedMs: 60, dropped: 1 });
    all.sender.stop();
    all.connection.destroy();
  });

  test.each([0, 0.1])('is bounded for packets that claim to last %f ms', async (durationMs) => {
    const all = await bench();
    const first = await fillKernel(all);
    for (let i = 0; i < 300; i++) all.sender.offer(new CountedPacket(first + i, durationMs));
    expect(CountedPacket.held).toBeLessThanOrEqual(82);
    all.peer.resume();
    await until(() => all.inFlight() === 0);
    await until(() => all.received.at(-1) === first + 299);
  });
});

describe('all packets come home', () => {
  test('when it is stopped and the client reads on', async () => {
    const all = await bench();
    await fillKernel(all);
    for (let seq = 0; seq < 5; seq++) all.sender.offer(new CountedPacket(seq));
    all.sender.stop();
    expect(CountedPacket.held).toBe(2);
    all.sender.offer(new CountedPacket(9));
    expect(CountedPacket.held).toBe(2);
    all.peer.resume();
    await until(() => CountedPacket.held === 0);
  });

  test.each(['peer', 'connection'] as const)(
    'when the %s dies with packets in flight',
    async (who) => {
      const all = await bench();
      await fillKernel(all);
      for (let seq = 0; seq < 5; seq++) all.sender.offer(new CountedPacket(seq));
      all[who].destroy();
      await until(() => all.closed());
      all.sender.offer(new CountedPacket(9));
      all.sender.stop();
      await until(() => CountedPacket.held === 0);
    },
  );

  test('when it is stopped before the connection is closed', async () => {
    const all = await bench();
    await fillKernel(all);
    all.sender.offer(new CountedPacket(1));
    all.sender.stop();
    all.connection.end();
    await until(() => all.closed());
    await until(() => CountedPacket.held === 0);
  });
});

describe('a client that accepts nothing', () => {
  test('for five seconds is disconnected when the next packet is offered', async () => {
    const all = await bench();
    await fillKernel(all);
    // A whole number, so that the difference below is exact.
    const fromMs = Math.ceil(performance.now());
    const clock = jest.spyOn(performance, 'now');
    clock.mockReturnValue(fromMs);
    all.sender.offer(new CountedPacket(0));
    clock.mockReturnValue(fromMs + limits.slowConsumerMs);
    all.sender.offer(new CountedPacket(1));
    expect(all.connection.closed).toBe(false);
    clock.mockReturnValue(fromMs + limits.slowConsumerMs + 1);
    all.sender.offer(new CountedPacket(2));
    expect(all.connection.closed).toBe(true);
    await until(() => all.closed());
    all.sender.stop();
  });

  test('is not blamed for a time in which nothing was sent', async () => {
    const all = await bench();
    all.peer.resume();
    all.sender.offer(new CountedPacket(1));
    await until(() => CountedPacket.held === 0);
    jest.spyOn(performance, 'now').mockReturnValue(performance.now() + 60_000);
    all.sender.offer(new CountedPacket(2));
    expect(all.connection.closed).toBe(false);
    await until(() => all.received.length === 2);
  });

  test('for a while, then a little at a time, is kept', async () => {
    // Reads at most one packet, then stands still until it is resumed.
    const buffer = Buffer.alloc(4_096);
    const all = await bench(undefined, (path) =>
      net.connect({ path, onread: { buffer, callback: () => false } }),
    );
    await fillKernel(all);
    // More than the kernel takes when it takes anything again: it waits for a good deal of room.
    for (let i = 0; i < 80; i++) all.sender.offer(new CountedPacket(i, 2.5));
    const fromMs = performance.now();
    const clock = jest.spyOn(performance, 'now').mockReturnValue(fromMs + 4_900);
    const sent = all.sender.sent;
    while (all.sender.sent === sent) {
      all.peer.resume();
      await new Promise((resolve) => setImmediate(resolve));
    }
    for (let rounds = 0; rounds < 200; rounds++) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(all.inFlight()).toBe(limits.packetsInFlightMax);
    expect(all.sender.queuedMs).toBeGreaterThan(0);
    clock.mockReturnValue(fromMs + 9_700);
    all.sender.offer(new CountedPacket(10));
    expect(all.connection.closed).toBe(false);
    clock.mockReturnValue(fromMs + 9_901);
    all.sender.offer(new CountedPacket(11));
    expect(all.connection.closed).toBe(true);
    await until(() => all.closed());
    all.sender.stop();
  });
});
