import { closeSync, writeSync } from 'node:fs';
import net from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Random } from '../../../test/helpers/random.js';
import { until } from '../../test/VirtualCard.js';
import { socketPair } from '../sys.js';
import { UnixSocket, type UnixSocketEvents } from './UnixSocket.js';

type End = { socket: UnixSocket; received: string; told: string[] };

const open: { destroy(): void }[] = [];
afterEach(() => {
  for (const end of open.splice(0)) end.destroy();
});

function endOf(
  fd: number,
  receive = Buffer.alloc(64),
  events: Partial<UnixSocketEvents> = {},
): End {
  let at = 0;
  const end: End = {
    received: '',
    told: [],
    socket: new UnixSocket(fd, receive, {
      onReceived: (count) => {
        end.received += receive.toString('latin1', at, at + count);
        at = (at + count) % 32;
        return at;
      },
      onRoom: () => end.told.push('room'),
      onEnd: () => end.told.push('end'),
      onError: (error) => end.told.push((error as NodeJS.ErrnoException).code ?? ''),
      ...events,
    }),
  };
  open.push({ destroy: () => end.socket.close() });
  return end;
}

function peerOf(fd: number): net.Socket {
  const peer = new net.Socket({ fd, readable: true, writable: true });
  peer.on('error', () => undefined);
  open.push(peer);
  return peer;
}

const text = (bytes: string): [Buffer, number, number] => [Buffer.from(bytes), 0, bytes.length];

describe('a Unix socket', () => {
  test('receives into its buffer where it was told to, whatever the pieces', async () => {
    const [ours, theirs] = socketPair();
    const end = endOf(ours);
    const peer = peerOf(theirs);
    let sent = '';
    for (let i = 0; i < 200; i++) {
      const piece = `${i},`.repeat((i % 9) + 1);
      sent += piece;
      peer.write(piece);
      if (i % 7 === 0) await until(() => end.received === sent);
    }
    await until(() => end.received === sent);
  });

  test('sends a part of some bytes', async () => {
    const [ours, theirs] = socketPair();
    const end = endOf(ours);
    let got = '';
    peerOf(theirs).on('data', (chunk) => {
      got += chunk;
    });
    expect(end.socket.send(Buffer.from('0123456789'), 2, 6)).toBe(4);
    await until(() => got === '2345');
  });

  test.each([
    [-1, 3],
    [3, 3],
    [4, 3],
    [0, 11],
  ])('refuses a range [%i, %i) that is not inside', (start, finish) => {
    const [ours, theirs] = socketPair();
    const end = endOf(ours);
    expect(end.socket.send(Buffer.alloc(10), start, finish)).toBe(0);
    expect(end.told).toEqual(['EINVAL']);
    closeSync(theirs);
  });

  test('takes what has room and says when there is more', async () => {
    const [ours, theirs] = socketPair();
    const end = endOf(ours);
    const bytes = Buffer.alloc(100_000, 1);
    let taken = 0;
    for (let count = -1; count !== 0; taken += count) {
      count = end.socket.send(bytes, taken, bytes.length);
    }
    expect(taken).toBeLessThan(20_000);
    end.socket.wantRoom();
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
    expect(end.told).toEqual([]);
    peerOf(theirs).resume();
    await until(() => end.told.length === 1);
    expect(end.told).toEqual(['room']);
  });

  test('reads what came, and then the error of who went without reading', async () => {
    const [ours, theirs] = socketPair();
    const end = endOf(ours);
    end.socket.send(...text('unread'));
    writeSync(theirs, 'last words');
    closeSync(theirs);
    await until(() => end.told.length > 0);
    expect(end.received).toBe('last words');
    expect(end.told).toEqual(['ECONNRESET']);
  });

  test('tells once that the other end has finished, and can still send', async () => {
    const [ours, theirs] = socketPair();
    const end = endOf(ours);
    const peer = new net.Socket({
      fd: theirs,
      readable: true,
      writable: true,
      allowHalfOpen: true,
    });
    open.push(peer);
    let got = '';
    peer.on('data', (chunk) => {
      got += chunk;
    });
    peer.end('last');
    await until(() => end.told.length === 1);
    expect(end).toMatchObject({ received: 'last', told: ['end'] });
    end.socket.send(...text('answer'));
    await until(() => got === 'answer');
    end.socket.shutdown();
    await until(() => peer.readableEnded);
  });

  test('tells the death of the other end when it sends', () => {
    const [ours, theirs] = socketPair();
    const end = endOf(ours);
    closeSync(theirs);
    expect(end.socket.send(...text('x'))).toBe(0);
    expect(end.told).toEqual(['EPIPE']);
  });

  test('tells nothing after its close, also where that is in the middle of what it tells', async () => {
    const [ours, theirs] = socketPair();
    const told: string[] = [];
    const end = endOf(ours, Buffer.alloc(64), {
      onReceived: () => {
        told.push('received');
        end.socket.close();
        end.socket.close();
        return 0;
      },
      onEnd: () => told.push('end'),
    });
    const peer = peerOf(theirs);
    peer.write('one');
    await until(() => peer.destroyed || told.length > 0);
    peer.end('two');
    await until(() => peer.closed);
    expect(told).toEqual(['received']);
    expect(end.socket.closed).toBe(true);
    expect(end.socket.send(...text('x'))).toBe(0);
  });

  test('reads no more when it is told so', async () => {
    const [ours, theirs] = socketPair();
    let calls = 0;
    endOf(ours, Buffer.alloc(64), {
      onReceived: () => {
        calls += 1;
        return -1;
      },
    });
    const peer = peerOf(theirs);
    peer.write('one');
    await until(() => calls === 1);
    peer.write('two');
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
    expect(calls).toBe(1);
  });

  test('that is no socket is an error, and stays its owner’s', () => {
    expect(() => endOf(-1)).toThrow();
  });
});

describe('packets', () => {
  test.each([3, 60, 300, 800, 2_400, 4_136])(
    'of %i bytes: two wait for a client that does not read, a third is not taken',
    async (bytes) => {
      const [ours, theirs] = socketPair();
      const { socket } = endOf(ours);
      const packet = Buffer.alloc(bytes, 1);
      const send = (): number => socket.sendPacket(packet, 0, bytes);
      expect([send(), send(), send(), send()]).toEqual([bytes, bytes, 0, 0]);
      let read = 0;
      peerOf(theirs).on('data', (chunk) => {
        read += chunk.length;
      });
      await until(() => read === 2 * bytes);
      expect([send(), send(), send()]).toEqual([bytes, bytes, 0]);
    },
  );

  test('of whatever lengths: no more than two wait for a client that does not read', () => {
    const random = new Random(1);
    const packet = Buffer.alloc(4_136, 1);
    for (let trial = 0; trial < 200; trial++) {
      const [ours, theirs] = socketPair();
      const { socket } = endOf(ours);
      const lengths = Array.from({ length: 8 }, () => 30 + Math.floor(random.next() ** 2 * 4_106));
      const taken = lengths.filter((bytes) => socket.sendPacket(packet, 0, bytes) > 0);
      expect(taken.length).toBeGreaterThanOrEqual(1);
      expect(taken.length).toBeLessThanOrEqual(2);
      socket.close();
      closeSync(theirs);
    }
  });

  test('to a client that reads are all taken', async () => {
    const [ours, theirs] = socketPair();
    const { socket } = endOf(ours);
    const packet = Buffer.alloc(300, 1);
    let read = 0;
    peerOf(theirs).on('data', (chunk) => {
      read += chunk.length;
    });
    for (let i = 1; i <= 500; i++) {
      expect(socket.sendPacket(packet, 0, 300)).toBe(300);
      if (i % 2 === 0) await until(() => read === i * 300);
    }
  });
});

describe('a closed Unix socket', () => {
  /** Runs the collector, which nobody else in these tests can. */
  function collect(): void {
    setFlagsFromString('--expose-gc');
    (runInNewContext('gc') as () => void)();
  }

  test('keeps neither its buffer nor what it would call', async () => {
    const bytesEach = 131_080;
    const count = 300;
    collect();
    const before = process.memoryUsage().arrayBuffers;
    for (let i = 0; i < count; i++) {
      const [ours, theirs] = socketPair();
      const socket: UnixSocket = new UnixSocket(ours, Buffer.allocUnsafeSlow(bytesEach), {
        onReceived: () => 0,
        onRoom: () => undefined,
        onEnd: () => socket.close(),
        onError: () => undefined,
      });
      closeSync(theirs);
      if (i % 2 === 0) socket.close();
      await until(() => socket.closed);
    }
    // The event loop and the collector each take a few rounds.
    await until(() => {
      collect();
      return process.memoryUsage().arrayBuffers - before < (count * bytesEach) / 10;
    });
  });
});

describe('a Unix socket that is lent', () => {
  test('goes on where it is told to', async () => {
    const [ours, theirs] = socketPair();
    const receive = Buffer.alloc(64);
    const end = endOf(ours, receive);
    const fd = end.socket.lend();
    writeSync(theirs, 'abc');
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
    expect(end.received).toBe('');
    closeSync(fd!);
    end.socket.takeBack(5);
    await until(() => receive.toString('latin1', 5, 8) === 'abc');
    closeSync(theirs);
  });

  test('is lent once at a time, and not where nothing can come any more', async () => {
    const [ours, theirs] = socketPair();
    const end = endOf(ours);
    const fd = end.socket.lend();
    expect(fd).toBeGreaterThan(2);
    expect(end.socket.lend()).toBeUndefined();
    closeSync(fd!);
    end.socket.takeBack(0);
    closeSync(theirs);
    await until(() => end.told.length === 1);
    expect(end.socket.lend()).toBeUndefined();
    end.socket.close();
    expect(end.socket.lend()).toBeUndefined();
  });
});
