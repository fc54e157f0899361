import type { OutgoingPacket } from './PacketSender.js';
import type { ReceiveBuffer } from './ReceiveBuffer.js';

/** What a byte stream tells its connection. All on the event loop, none before `open` returned. */
export interface ByteStreamEvents {
  /** @returns false: nothing more is to be read. */
  onReceived(count: number): boolean;
  /** A packet that `trySend` refused may be taken now. */
  onRoom(): void;
  /** The other end sends no more. */
  onEnd(): void;
  /** Once, the last event. `error` where the connection died of it. */
  onClose(error?: Error): void;
}

/**
 * A connected stream socket as a `Connection` uses it. A client has Node's own (`NodeStream`); the
 * daemon's processes have theirs over system calls, which cost less and know what is unread.
 */
export interface ByteStream {
  /** Bytes that were written here and that the kernel has not taken yet. */
  readonly queuedBytes: number;
  /** Nothing is sent or told any more, but for `onClose`. */
  readonly destroyed: boolean;
  /** Once, before all else. What arrives is put into `receive`. */
  open(receive: ReceiveBuffer, events: ByteStreamEvents): void;
  /** Sends all, in order, sooner or later. `bytes` are the stream's until `onTaken` is called. */
  write(bytes: Uint8Array, onTaken: () => void): void;
  /**
   * Takes a whole packet, behind all that was written; or nothing of it where too many of them are
   * on their way. Retains the packet as long as it needs its bytes.
   */
  trySend(packet: OutgoingPacket): boolean;
  /** By this a thread of the process sends whole packets beside what is sent here; else none can. */
  readonly packetGate?: object | undefined;
  /**
   * Where a thread of the process can read in this stream's place: nothing is received here until
   * `takeBack`.
   *
   * @returns a descriptor, which is the caller's to close; undefined where it cannot be done.
   */
  lend?(): number | undefined;
  /** What was read meanwhile is in the receive buffer: what comes goes behind it. */
  takeBack?(): void;
  /** Sends what was written, then the end of the stream. Idempotent. */
  end(): void;
  /** Closes at once. Idempotent. */
  destroy(): void;
}
