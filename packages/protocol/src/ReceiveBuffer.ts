import { ProtocolError } from './errors.js';
import { invariant } from './invariant.js';
import { lengthFieldBytes, limits } from './limits.js';

/** Called with each whole message body, in place; the bytes are good until it returns. */
export type OnMessage = (bytes: Buffer, start: number, end: number) => void;

const capacityBytes = 2 * (lengthFieldBytes + limits.messageBytesMax);

/**
 * Cuts a byte stream into messages, from one buffer that is allocated once.
 *
 * Invariant: `0 <= #start <= #end <= capacity`; `[#start, #end)` holds received bytes of messages
 * not yet delivered, beginning with a length field; after `drain` less than one message is left,
 * so that `writable()` always has room for the rest of the largest one.
 * A length over the limit is refused before a byte of its body is looked at.
 */
export class ReceiveBuffer {
  readonly #bytes = Buffer.allocUnsafeSlow(capacityBytes);
  #start = 0;
  #end = 0;

  /** All of it, for a socket that keeps count by itself: what comes next goes to `writeOffset`. */
  get memory(): Buffer {
    return this.#bytes;
  }

  get writeOffset(): number {
    return this.#end;
  }

  /** Received bytes of a message that is not complete. */
  get unfinishedBytes(): number {
    return this.#end - this.#start;
  }

  /** Where the socket may put what comes next. */
  writable(): Buffer {
    return this.#end === 0 ? this.#bytes : this.#bytes.subarray(this.#end);
  }

  /** `count` bytes were put at the beginning of `writable()`. */
  received(count: number, onMessage: OnMessage): void {
    this.#end += count;
    invariant(this.#end <= capacityBytes, 'the socket wrote past the receive buffer');
    this.#drain(onMessage);
  }

  /** The same for bytes that lie elsewhere. */
  feed(chunk: Uint8Array, onMessage: OnMessage): void {
    this.copyIn(chunk, (count) => {
      this.received(count, onMessage);
      return true;
    });
  }

  /**
   * Copies bytes that lie elsewhere to `writable()`, piece by piece; `onCopied` is to call
   * `received`. @returns false where `onCopied` did: the rest was not wanted.
   */
  copyIn(chunk: Uint8Array, onCopied: (count: number) => boolean): boolean {
    let taken = 0;
    while (taken < chunk.length) {
      const room = this.writable();
      const count = Math.min(room.length, chunk.length - taken);
      room.set(chunk.subarray(taken, taken + count));
      taken += count;
      if (!onCopied(count)) return false;
    }
    return true;
  }

  /** Forgets what is there: nothing of it is wanted any more. */
  clear(): void {
    this.#start = 0;
    this.#end = 0;
  }

  #drain(onMessage: OnMessage): void {
    while (this.#end - this.#start >= lengthFieldBytes) {
      const length = this.#bytes.readUInt32BE(this.#start);
      if (length > limits.messageBytesMax) {
        throw new ProtocolError(
          'MESSAGE_TOO_LARGE',
          `message of ${length} bytes, ${limits.messageBytesMax} is the limit`,
          { bytes: length, bytesMax: limits.messageBytesMax },
        );
      }
      const body = this.#start + lengthFieldBytes;
      if (body + length > this.#end) break;
      this.#start = body + length;
      onMessage(this.#bytes, body, body + length);
    }
    if (this.#start === this.#end) {
      this.clear();
    } else if (this.#start > capacityBytes / 2) {
      this.#bytes.copyWithin(0, this.#start, this.#end);
      this.#end -= this.#start;
      this.#start = 0;
    }
  }
}
