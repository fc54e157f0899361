import { UnixSocket } from '@kvm-audio/native-alsa/sys';
import type {
  ByteStream,
  ByteStreamEvents,
  OutgoingPacket,
  ReceiveBuffer,
} from '@kvm-audio/protocol';

/**
 * The daemon's byte stream, over the sys addon: half the cost of a wake-up of Node's own, and at
 * most two packets that the other end has not read. Bytes that the kernel does not take at once
 * are copied, so that the caller's memory is free when a call returns.
 */
export class SocketStream implements ByteStream {
  readonly #fd: number;
  #socket: UnixSocket | undefined;
  #receive: ReceiveBuffer | undefined;
  #events: ByteStreamEvents | undefined;
  /** Not yet taken, in order. */
  readonly #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  #destroyed = false;
  #ending = false;
  #otherEnded = false;
  #error: Error | undefined;

  /** @param fd a connected stream socket, which is this stream's from now on. */
  constructor(fd: number) {
    this.#fd = fd;
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  get destroyed(): boolean {
    return this.#destroyed;
  }

  open(receive: ReceiveBuffer, events: ByteStreamEvents): void {
    this.#events = events;
    this.#receive = receive;
    this.#socket = new UnixSocket(this.#fd, receive.memory, {
      onReceived: (count) => (events.onReceived(count) ? receive.writeOffset : -1),
      onRoom: () => this.#onRoom(),
      onEnd: () => this.#onEnd(),
      onError: (error) => {
        this.#error ??= error;
        this.destroy();
      },
    });
  }

  write(bytes: Uint8Array, onTaken: () => void): void {
    if (!this.#destroyed && !this.#ending) this.#sendOrQueue(bytes, 0, bytes.length);
    onTaken();
  }

  trySend({ bytes, start, end }: OutgoingPacket): boolean {
    if (this.#destroyed || this.#ending || !this.#socket || this.#queuedBytes > 0) return false;
    const taken = this.#socket.sendPacket(bytes, start, end);
    if (taken === 0) {
      this.#socket.wantPacketRoom();
      return false;
    }
    // A message that was begun is finished, whatever comes.
    if (taken < end - start) this.#sendOrQueue(bytes, start + taken, end);
    return true;
  }

  get packetGate(): object | undefined {
    return this.#socket?.gate;
  }

  lend(): number | undefined {
    return this.#socket?.lend();
  }

  takeBack(): void {
    this.#socket?.takeBack(this.#receive?.writeOffset ?? 0);
  }

  end(): void {
    if (this.#ending || this.#destroyed) return;
    this.#ending = true;
    this.#finish();
  }

  destroy(): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    this.#queue.length = 0;
    this.#queuedBytes = 0;
    this.#socket?.close();
    // As the caller may be in the middle of something.
    setImmediate(() => this.#events?.onClose(this.#error));
  }

  #sendOrQueue(bytes: Uint8Array, from: number, end: number): void {
    const taken = this.#queuedBytes > 0 ? 0 : (this.#socket?.send(bytes, from, end) ?? 0);
    if (from + taken === end || this.#destroyed) return;
    // A Buffer's own slice() is a view.
    const rest = Uint8Array.from(bytes.subarray(from + taken, end));
    this.#queue.push(rest);
    this.#queuedBytes += rest.length;
    this.#socket?.wantRoom();
  }

  #onRoom(): void {
    for (let first = this.#queue[0]; first && this.#socket; first = this.#queue[0]) {
      const taken = this.#socket.send(first, 0, first.length);
      if (this.#destroyed) return;
      this.#queuedBytes -= taken;
      if (taken < first.length) {
        this.#queue[0] = first.subarray(taken);
        this.#socket.wantRoom();
        return;
      }
      this.#queue.shift();
    }
    if (this.#ending) this.#finish();
    else this.#events?.onRoom();
  }

  #onEnd(): void {
    this.#otherEnded = true;
    this.#events?.onEnd();
    if (this.#ending) this.#finish();
  }

  /** All that was written is out: tell it, and close where the other end has ended too. */
  #finish(): void {
    if (this.#queuedBytes > 0) return;
    this.#socket?.shutdown();
    if (this.#otherEnded) this.destroy();
  }
}
