import { closeSync, readSync, writeSync } from 'node:fs';
import net from 'node:net';
import { socketPair } from '@kvm-audio/native-alsa/sys';
import { Connection, PacketSender, type ProtocolError, ReceiveBuffer } from '@kvm-audio/protocol';
import { outgoing } from '../../../test/helpers/outgoing.js';
import { until } from '../../../test/helpers/until.js';
import { SocketStream } from './SocketStream.js';

type Bench = { stream: SocketStream; told: string[]; received: () => string; theirs: number };

const open: { destroy(): void }[] = [];
afterEach(() => {
  for (const end of open.splice(0)) end.destroy();
});

function bench(): Bench {
  const [ours, theirs] = socketPair();
  const stream = new SocketStream(ours);
  const receive = new ReceiveBuffer();
  const told: string[] = [];
  let received = '';
  stream.open(receive, {
    onReceived: (count) => {
      const at = receive.writeOffset;
      received += receive.memory.toString('latin1', at, at + count);
      return true;
    },
    onRoom: () => told.push('room'),
    onEnd: () => told.push('end'),
    onClose: (error) => told.push(`close ${(error as NodeJS.ErrnoException)?.code ?? ''}`.trim()),
  });
  open.push(stream);
  return { stream, told, received: () => received, theirs };
}

/** Begins to read the other end. */
function read(fd: number): { socket: net.Socket; bytes: () => Buffer } {
  const socket = new net.Socket({ fd, readable: true, writable: true, allowHalfOpen: true });
  const chunks: Buffer[] = [];
  socket.on('error', () => undefined);
  socket.on('data', (chunk) => chunks.push(chunk));
  open.push(socket);
  return { socket, bytes: () => Buffer.concat(chunks) };
}

/** Bytes that say where they are. */
function counted(length: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, i) => i % 251));
}

describe('a socket stream', () => {
  test('gives the memory back at once, and sends all of it in order', async () => {
    const { stream, theirs } = bench();
    const all = counted(300_000);
    const memory = Buffer.alloc(30_000);
    for (let at = 0; at < all.length; at += memory.length) {
      all.copy(memory, 0, at, at + memory.length);
      let taken = false;
      stream.write(memory, () => {
        taken = true;
      });
      expect(taken).toBe(true);
      memory.fill(0xff);
    }
    expect(stream.queuedBytes).toBeGreaterThan(200_000);
    const peer = read(theirs);
    await until(() => peer.bytes().length === all.length);
    expect(peer.bytes().equals(all)).toBe(true);
    expect(stream.queuedBytes).toBe(0);
  });

  test('takes no packet while something waits before it, and says when it may', async () => {
    const { stream, told, theirs } = bench();
    stream.write(counted(50_000), () => undefined);
    const packet = outgoing(1, Uint8Array.of(0xfc));
    expect(stream.trySend(packet)).toBe(false);
    const peer = read(theirs);
    await until(() => told.includes('room') && stream.trySend(packet));
    const length = packet.end - packet.start;
    await until(() => peer.bytes().length === 50_000 + length);
  });

  test('gives who stood still all that waits as it reads on, though nothing new comes', async () => {
    const [ours, theirs] = socketPair();
    const ignored = { onRequest: () => null, onNotification: () => 0, onPacket: () => 0 };
    const connection = new Connection(new SocketStream(ours), { ...ignored, onClose: () => 0 });
    open.push(connection);
    const sender = new PacketSender(connection);
    const { onRoom } = connection;
    let told = 0;
    connection.onRoom = () => {
      told += 1;
      onRoom();
    };
    const settle = async (): Promise<void> => {
      for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
    };
    const packets = Array.from({ length: 10 }, (_, i) => outgoing(i, counted(60 + i)));
    const whole = packets.map(({ bytes, start, end }) => bytes.subarray(start, end));
    for (const packet of packets) sender.offer(packet);
    await settle();
    // Two are on their way, and the kernel has room for more: it is not told all the time.
    expect(sender.queuedMs).toBe(8 * 20);
    expect(told).toBeLessThanOrEqual(1);
    const first = Buffer.alloc(whole[0]!.length);
    readSync(theirs, first);
    await until(() => sender.queuedMs === 7 * 20);
    const peer = read(theirs);
    const all = Buffer.concat(whole);
    await until(() => first.length + peer.bytes().length === all.length);
    expect(Buffer.concat([first, peer.bytes()]).equals(all)).toBe(true);
    expect(sender.queuedMs).toBe(0);
    // Nothing waits any more, nothing is told.
    await settle();
    told = 0;
    sender.offer(packets[0]!);
    await until(() => first.length + peer.bytes().length > all.length);
    await settle();
    expect(told).toBe(0);
  });

  test('ends after what was written', async () => {
    const { stream, told, theirs } = bench();
    stream.write(counted(60_000), () => undefined);
    stream.end();
    stream.end();
    stream.write(counted(5), () => undefined);
    expect(stream.trySend(outgoing(1, Uint8Array.of(0xfc)))).toBe(false);
    const peer = read(theirs);
    await until(() => peer.socket.readableEnded);
    expect(peer.bytes()).toHaveLength(60_000);
    expect(told).toEqual([]);
    peer.socket.end();
    await until(() => told.length === 2);
    expect(told).toEqual(['end', 'close']);
    expect(stream.destroyed).toBe(true);
  });

  test('receives until the other end has ended, and may still answer', async () => {
    const { stream, told, received, theirs } = bench();
    const peer = read(theirs);
    peer.socket.end('question');
    await until(() => told.length === 1);
    expect(received()).toBe('question');
    stream.write(Buffer.from('answer'), () => undefined);
    stream.end();
    await until(() => peer.bytes().toString() === 'answer' && told.length === 2);
    expect(told).toEqual(['end', 'close']);
  });

  test('tells the death of the other end, once, and not in the middle of a call', async () => {
    const { stream, told, theirs } = bench();
    closeSync(theirs);
    stream.write(Buffer.from('x'), () => undefined);
    stream.write(Buffer.from('x'), () => undefined);
    expect(told).toEqual([]);
    expect(stream.destroyed).toBe(true);
    await until(() => told.length === 1);
    stream.destroy();
    await new Promise((resolve) => setImmediate(resolve));
    expect(told).toEqual(['close EPIPE']);
  });

  test('is destroyed with what waits', async () => {
    const { stream, told, theirs } = bench();
    stream.write(counted(50_000), () => undefined);
    stream.destroy();
    stream.destroy();
    expect(stream.queuedBytes).toBe(0);
    const peer = read(theirs);
    await until(() => peer.socket.readableEnded);
    expect(told).toEqual(['close']);
  });
});

describe('a connection whose socket is lent', () => {
  const payload = counted(60);
  const message = ((): Buffer => {
    const { bytes, start, end } = outgoing(7, payload, 960);
    return Buffer.from(bytes.subarray(start, end));
  })();

  type Lender = {
    connection: Connection;
    theirs: number;
    got: string[];
    closed: (ProtocolError | undefined)[];
  };

  function lender(): Lender {
    const [ours, theirs] = socketPair();
    const got: string[] = [];
    const closed: (ProtocolError | undefined)[] = [];
    const connection = new Connection(new SocketStream(ours), {
      onRequest: () => null,
      onNotification: (method) => got.push(method),
      onPacket: ({ seq, payload }) => got.push(`${seq} ${Buffer.from(payload).toString('hex')}`),
      onClose: (error) => closed.push(error),
    });
    open.push(connection);
    return { connection, theirs, got, closed };
  }

  const whole = `7 ${payload.toString('hex')}`;

  /** Whoever has borrowed reads so much, and gives it back. */
  function readElsewhere({ connection }: Lender, count: number): void {
    const fd = connection.lend();
    expect(fd).toBeDefined();
    const bytes = Buffer.alloc(count);
    for (let at = 0; at < count; ) at += readSync(fd!, bytes, at, count - at, null);
    closeSync(fd!);
    connection.takeBack(bytes);
  }

  test('reads on where the borrower stopped, at whatever byte that was', async () => {
    const end = lender();
    for (let cut = 1; cut < message.length; cut++) {
      writeSync(end.theirs, message.subarray(0, cut));
      readElsewhere(end, cut);
      writeSync(end.theirs, message.subarray(cut));
      await until(() => end.got.length === cut || end.closed.length > 0);
    }
    expect(end.closed).toEqual([]);
    expect(new Set(end.got)).toEqual(new Set([whole]));
    closeSync(end.theirs);
  });

  test('hands on the whole messages that the borrower left, and the piece behind them', async () => {
    const end = lender();
    const two = Buffer.concat([message, message, message.subarray(0, 20)]);
    writeSync(end.theirs, two);
    readElsewhere(end, two.length);
    expect(end.got).toEqual([whole, whole]);
    writeSync(end.theirs, message.subarray(20));
    await until(() => end.got.length === 3 || end.closed.length > 0);
    expect(end.got).toEqual([whole, whole, whole]);
    closeSync(end.theirs);
  });

  test('receives nothing meanwhile, and all of it afterwards', async () => {
    const end = lender();
    const fd = end.connection.lend();
    writeSync(end.theirs, message);
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
    expect(end.got).toEqual([]);
    closeSync(fd!);
    end.connection.takeBack(Buffer.alloc(0));
    await until(() => end.got.length === 1);
    expect(end.got).toEqual([whole]);
    closeSync(end.theirs);
  });

  test('is not lent in the middle of a message, nor once it is closed', async () => {
    const end = lender();
    writeSync(end.theirs, Buffer.concat([message, message.subarray(0, 9)]));
    await until(() => end.got.length === 1);
    expect(end.connection.lend()).toBeUndefined();
    writeSync(end.theirs, message.subarray(9));
    await until(() => end.got.length === 2);
    const fd = end.connection.lend();
    expect(fd).toBeDefined();
    end.connection.destroy();
    expect(end.connection.lend()).toBeUndefined();
    expect(end.connection.packetGate).toBeUndefined();
    // What its borrower gives back later is nobody's any more.
    closeSync(fd!);
    end.connection.takeBack(message);
    await until(() => end.closed.length === 1);
    expect(end.got).toHaveLength(2);
    closeSync(end.theirs);
  });
});
