import { writeSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import type { ByteStream, ByteStreamEvents } from './ByteStream.js';
import { limits } from './limits.js';
import type { OutgoingPacket } from './PacketSender.js';
import type { ReceiveBuffer } from './ReceiveBuffer.js';

type MakeSocket = (receive: ReceiveBuffer, events: ByteStreamEvents) => Socket;

/** What Node's socket has its descriptor in, as long as it is open. */
type Handle = { fd?: unknown } | null | undefined;

function handleOf(socket: Socket): Handle {
  return (socket as { _handle?: Handle })._handle;
}

/**
 * A byte stream over Node's own socket: what a client has. How much the other end has not read
 * Node does not say; packets in flight are those that the kernel has not taken yet.
 */
export class NodeStream implements ByteStream {
  readonly #make: MakeSocket;
  #socket: Socket | undefined;
  #events: ByteStreamEvents | undefined;
  #inFlight = 0;
  #handle: Handle;
  #fd: number | undefined;
  #error: Error | undefined;

  private constructor(make: MakeSocket) {
    this.#make = make;
  }

  /** Connects when it is opened. Reads straight into the receive buffer. */
  static connect(path: string): NodeStream {
    return new NodeStream((receive, { onReceived }) =>
      connect({ path, onread: { buffer: () => receive.writable(), callback: onReceived } }),
    );
  }

  /** A socket that a server accepted and nobody reads. Each read is Node's allocation, and a copy. */
  static accepted(socket: Socket): NodeStream {
    return new NodeStream((receive, { onReceived }) => {
      socket.on('data', (chunk: Buffer) => {
        if (!receive.copyIn(chunk, onReceived)) socket.pause();
      });
      return socket.resume();
    });
  }

  get queuedBytes(): number {
    return this.#socket?.writableLength ?? 0;
  }

  get destroyed(): boolean {
    return this.#socket?.destroyed ?? false;
  }

  open(receive: ReceiveBuffer, events: ByteStreamEvents): void {
    this.#events = events;
    this.#socket = this.#make(receive, events);
    this.#socket.on('error', (error) => {
      this.#error = error;
    });
    this.#socket.on('end', () => events.onEnd());
    this.#socket.on('close', () => events.onClose(this.#error));
  }

  /** @returns when the socket is connected; rejects with the system's error. */
  connected(): Promise<void> {
    const socket = this.#socket;
    if (!socket?.connecting) return Promise.resolve();
    return new Promise((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
  }

  write(bytes: Uint8Array, onTaken: () => void): void {
    this.#socket?.write(bytes, onTaken);
  }

  trySend(packet: OutgoingPacket): boolean {
    if (this.#inFlight >= limits.packetsInFlightMax) return false;
    const rest = packet.start + this.#writeNow(packet);
    if (rest === packet.end) return true;
    this.#inFlight += 1;
    packet.retain();
    this.#socket?.write(packet.bytes.subarray(rest, packet.end), (error) => {
      packet.release();
      // Of a socket that broke Node tells each write before it destroys it: none is to follow.
      if (error) return;
      this.#inFlight -= 1;
      if (!this.destroyed) this.#events?.onRoom();
    });
    return true;
  }

  /**
   * Past Node's stream, which takes longer over a packet than the kernel does. Where something
   * waits in the stream, or anything is wrong, none of it: the stream waits and tells.
   *
   * @returns the bytes that the kernel took, 0 or more.
   */
  #writeNow({ bytes, start, end }: OutgoingPacket): number {
    const fd = this.#descriptor();
    if (fd === undefined || this.queuedBytes > 0) return 0;
    try {
      return writeSync(fd, bytes, start, end - start);
    } catch {
      return 0;
    }
  }

  /** Of a socket that is connected; undefined where this Node does not say. The handle is asked once. */
  #descriptor(): number | undefined {
    const socket = this.#socket;
    if (!socket || socket.connecting) return undefined;
    const handle = handleOf(socket);
    if (handle !== this.#handle) {
      const fd = handle?.fd;
      this.#handle = handle;
      this.#fd = typeof fd === 'number' && fd >= 0 ? fd : undefined;
    }
    return this.#fd;
  }

  end(): void {
    this.#socket?.end();
  }

  destroy(): void {
    this.#socket?.destroy();
  }
}
