import { closeSync } from 'node:fs';
import net from 'node:net';
import { socketPair } from '@kvm-audio/native-alsa/sys';
import { ReceiveBuffer } from '@kvm-audio/protocol';
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
