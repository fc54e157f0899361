import { type AddonSocket, loadAddon } from './addon.js';
import { systemError } from './systemError.js';

/** What a socket tells. All on the event loop; none after close(). */
export interface UnixSocketEvents {
  /**
   * `count` bytes were put where the last call said, at first at 0.
   * @returns where in `receive` the next go; -1: no more are wanted.
   */
  onReceived(count: number): number;
  /**
   * After wantRoom(): the kernel takes bytes again. After wantPacketRoom(): the other end has read
   * something, or may have.
   */
  onRoom(): void;
  /** The other end sends no more. Reading has stopped. */
  onEnd(): void;
  /** The connection is dead. Reading has stopped. */
  onError(error: Error): void;
}

/**
 * A connected Unix stream socket without Node's stream around it: reads into one buffer, sends
 * without a copy of the bytes, and knows what the other end has not read. Owns its descriptor.
 * Its send buffer is so small that the kernel holds about two of the largest audio packets.
 */
export class UnixSocket {
  /** By this a fast path of the alsa addon sends whole packets, beside what is sent here. */
  readonly gate: object;
  readonly #events: UnixSocketEvents;
  readonly #socket: AddonSocket;
  readonly #writable: number;
  #closed = false;

  /**
   * @param receive stays this socket's own; it must never be full when onReceived returns.
   * @throws Error where `fd` is no socket that can be watched; `fd` is then still open.
   */
  constructor(fd: number, receive: Uint8Array, events: UnixSocketEvents) {
    const addon = loadAddon();
    this.#events = events;
    this.#writable = addon.UnixSocket.writable;
    this.#socket = new addon.UnixSocket(fd, receive, (event) => this.#onEvent(event));
    this.gate = this.#socket.gate();
  }

  get closed(): boolean {
    return this.#closed;
  }

  /**
   * Never waits. @returns how many bytes of [start, end) the kernel took; 0 also where the
   * connection is dead, which is told as onError.
   */
  send(bytes: Uint8Array, start: number, end: number): number {
    return this.#taken(this.#socket.send(bytes, start, end));
  }

  /**
   * The same for an audio packet: takes nothing where two of them have not been read yet
   * (SIOCOUTQ), so that what a client hears after it stood still is not old.
   */
  sendPacket(bytes: Uint8Array, start: number, end: number): number {
    return this.#taken(this.#socket.sendPacket(bytes, start, end));
  }

  /**
   * Nothing is received here any more until takeBack().
   *
   * @returns another descriptor of the socket, the caller's to close; undefined where nothing can
   *   be received.
   */
  lend(): number | undefined {
    const fd = this.#closed ? -1 : this.#socket.lend();
    return fd < 0 ? undefined : fd;
  }

  /** What comes is received here again. @param next where in `receive` it goes. */
  takeBack(next: number): void {
    if (!this.#closed) this.#socket.takeBack(next);
  }

  wantRoom(): void {
    this.#socket.wantRoom();
  }

  /** Where sendPacket took nothing: it may when the other end has read on. */
  wantPacketRoom(): void {
    this.#socket.wantPacketRoom();
  }

  /** The other end is told that nothing more comes. */
  shutdown(): void {
    this.#socket.shutdown();
  }

  /** Idempotent. What the kernel has taken is still delivered. */
  close(): void {
    this.#closed = true;
    this.#socket.close();
  }

  #taken(result: number): number {
    if (result >= 0) return result;
    if (!this.#closed) this.#events.onError(systemError('send', result));
    return 0;
  }

  #onEvent(event: number): number {
    if (this.#closed) return -1;
    if (event > 0) return this.#events.onReceived(event);
    if (event === 0) this.#events.onEnd();
    else if (event === this.#writable) this.#events.onRoom();
    else this.#events.onError(systemError('recv', event));
    return -1;
  }
}
