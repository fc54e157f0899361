import { AudioPacketReader, isAudioPacket, type ReceivedPacket } from './audioPacket.js';
import type { ByteStream } from './ByteStream.js';
import { setDeadline } from './deadline.js';
import { ProtocolError } from './errors.js';
import { limits } from './limits.js';
import {
  decodeMessage,
  encodeMessage,
  heapMemory,
  type Message,
  type MessageMemory,
} from './messageCodec.js';
import type { OutgoingPacket } from './PacketSender.js';
import { ReceiveBuffer } from './ReceiveBuffer.js';

/** What a connection tells its owner. All on the event loop, in the order of arrival. */
export interface ConnectionHandlers {
  /** Returns (or promises) the result; what it throws is sent as the error of the response. */
  onRequest(method: string, params: unknown): unknown;
  onNotification(method: string, params: unknown): void;
  /** `packet` is good only until this returns. */
  onPacket(packet: ReceivedPacket): void;
  /** Once, whoever closed it. No error where the other end closed between messages. */
  onClose(error: ProtocolError | undefined): void;
}

/** Who waits for a response; one of the two is called, once. */
export type Answer = {
  resolve(result: unknown): void;
  reject(error: Error): void;
};

type Pending = Answer & { timer: NodeJS.Timeout };

/** After `end` the other end has so long to close its side before the socket is destroyed. */
const lingerMs = 1_000;

/** The system's error as one of the protocol's. */
function broken({ code, message }: NodeJS.ErrnoException): ProtocolError {
  if (code === undefined) return new ProtocolError('CONNECTION_CLOSED', message);
  return new ProtocolError('CONNECTION_CLOSED', `the connection broke (${code})`, { code });
}

/**
 * One end of a socket that speaks the protocol: whole messages in, whole messages out, requests
 * matched with responses. The only writer of its socket. It never closes half a message: a close
 * in our hands flushes first, and only the other end's death cuts one off.
 */
export class Connection {
  handlers: ConnectionHandlers;
  /** For who sends packets: one that was refused may be taken now. */
  onRoom: () => void = () => undefined;
  readonly #stream: ByteStream;
  readonly #receive = new ReceiveBuffer();
  readonly #memory: MessageMemory;
  readonly #packets = new AudioPacketReader();
  readonly #pending = new Map<number, Pending>();
  #nextId = 1;
  #unanswered = 0;
  #answerIsLast = false;
  #lingerTimer: NodeJS.Timeout | undefined;
  #ending = false;
  #closed = false;
  #error: ProtocolError | undefined;

  constructor(
    stream: ByteStream,
    handlers: ConnectionHandlers,
    memory: MessageMemory = heapMemory,
  ) {
    this.handlers = handlers;
    this.#stream = stream;
    this.#memory = memory;
    stream.open(this.#receive, {
      onReceived: (count) => this.#onReceived(count),
      onRoom: () => {
        if (!this.closed) this.onRoom();
      },
      onEnd: () => this.#onStreamEnd(),
      onClose: (error) => {
        if (error) this.#error ??= broken(error);
        this.#onStreamClose();
      },
    });
  }

  get closed(): boolean {
    return this.#closed || this.#ending || this.#stream.destroyed;
  }

  /** Bytes that were written here and not yet accepted by the kernel. */
  get queuedBytes(): number {
    return this.#stream.queuedBytes;
  }

  /**
   * @throws ProtocolError the other end's error, DEADLINE_EXCEEDED or CONNECTION_CLOSED.
   */
  request(
    method: string,
    params: unknown,
    deadlineMs: number = limits.requestDeadlineMs,
  ): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.ask(method, params, deadlineMs, { resolve, reject });
    });
  }

  /**
   * The same, answered by a call: it comes before whatever follows the response on the wire, which
   * a promise would let pass.
   */
  ask(method: string, params: unknown, deadlineMs: number, answer: Answer): void {
    if (this.closed) {
      answer.reject(this.#closedError());
      return;
    }
    if (this.#pending.size >= limits.requestsPendingMax) {
      const text = `${limits.requestsPendingMax} requests wait for an answer already`;
      answer.reject(new ProtocolError('TOO_MANY_REQUESTS', text));
      return;
    }
    const id = this.#nextId;
    this.#nextId = id === 0xffff_ffff ? 1 : id + 1;
    this.#send({ kind: 'request', id, method, params });
    const expire = (): void => {
      if (!this.#pending.delete(id)) return;
      const text = `no answer to ${method} in ${deadlineMs} ms`;
      answer.reject(new ProtocolError('DEADLINE_EXCEEDED', text));
    };
    const timer = setDeadline(expire, deadlineMs);
    this.#pending.set(id, { ...answer, timer });
  }

  notify(method: string, params: unknown): void {
    if (!this.closed) this.#send({ kind: 'notification', method, params });
  }

  /** See `ByteStream.trySend`. */
  trySend(packet: OutgoingPacket): boolean {
    return !this.closed && this.#stream.trySend(packet);
  }

  /** See `ByteStream.packetGate`; undefined once it is closed. */
  get packetGate(): object | undefined {
    return this.closed ? undefined : this.#stream.packetGate;
  }

  /** See `ByteStream.lend`; not within a message. */
  lend(): number | undefined {
    return this.closed || this.#receive.unfinishedBytes > 0 ? undefined : this.#stream.lend?.();
  }

  /** What comes is received here again, behind `bytes`, which were read by who had borrowed. */
  takeBack(bytes: Uint8Array): void {
    if (bytes.length > 0) this.#receive.copyIn(bytes, (count) => this.#onReceived(count));
    this.#stream.takeBack?.();
  }

  /** Tells the other end why, then closes. */
  fail(error: ProtocolError): void {
    if (this.closed) return;
    this.#error = error;
    this.#send({ kind: 'notification', method: 'error', params: error.toWire() });
    this.end();
  }

  /** To be called by a request's handler: its answer is the last that is said and listened to. */
  endAfterAnswer(): void {
    this.#answerIsLast = true;
  }

  /** Closes after what was written is out. Idempotent. */
  end(): void {
    if (this.closed) return;
    this.#ending = true;
    this.#stream.end();
    this.#lingerTimer = setTimeout(() => this.#stream.destroy(), lingerMs).unref();
  }

  /** Closes at once. Idempotent. */
  destroy(): void {
    this.#ending = true;
    this.#stream.destroy();
  }

  #send(message: Message): void {
    if (this.#stream.queuedBytes > limits.controlQueueBytesMax) {
      this.#error = new ProtocolError('SLOW_CONSUMER', 'control messages are not being read');
      this.destroy();
      return;
    }
    const { buffer, length } = encodeMessage(message, this.#memory);
    this.#stream.write(buffer.bytes.subarray(0, length), () => buffer.release());
  }

  #onReceived(count: number): boolean {
    try {
      // After our last word bytes are read on, and not looked at, so that the other end's is seen.
      if (this.closed) this.#receive.clear();
      else this.#receive.received(count, this.#onMessage);
    } catch (error) {
      // What the other end did wrong ends its connection; a bug of ours ends the process.
      if (!(error instanceof ProtocolError)) throw error;
      this.fail(error);
      this.#receive.clear();
    }
    return !this.#stream.destroyed;
  }

  readonly #onMessage = (bytes: Buffer, start: number, end: number): void => {
    if (this.closed) return;
    if (isAudioPacket(bytes, start, end)) {
      this.handlers.onPacket(this.#packets.read(bytes, start, end));
      return;
    }
    const message = decodeMessage(bytes, start, end);
    if (message.kind === 'request') this.#onRequest(message.id, message.method, message.params);
    else if (message.kind === 'response') this.#onResponse(message);
    else if (message.method === 'error') this.#error = ProtocolError.fromWire(message.params);
    else this.handlers.onNotification(message.method, message.params);
  };

  #onRequest(id: number, method: string, params: unknown): void {
    if (this.#unanswered >= limits.requestsPendingMax) {
      const text = `${limits.requestsPendingMax} requests of this client are being worked on`;
      this.#answer(id, new ProtocolError('TOO_MANY_REQUESTS', text), null);
      return;
    }
    try {
      const result = this.handlers.onRequest(method, params);
      if (!(result instanceof Promise)) {
        this.#answer(id, null, result);
        return;
      }
      this.#unanswered += 1;
      result
        .then(
          (value: unknown) => this.#answer(id, null, value),
          (error: unknown) => this.#answer(id, ProtocolError.from(error), null),
        )
        .finally(() => {
          this.#unanswered -= 1;
        });
    } catch (error) {
      this.#answer(id, ProtocolError.from(error), null);
    }
  }

  #answer(id: number, error: ProtocolError | null, result: unknown): void {
    if (this.closed) return;
    this.#send({ kind: 'response', id, error: error?.toWire() ?? null, result });
    if (this.#answerIsLast) this.end();
  }

  #onResponse({ id, error, result }: Extract<Message, { kind: 'response' }>): void {
    const pending = this.#pending.get(id);
    if (!pending) return;
    this.#pending.delete(id);
    clearTimeout(pending.timer);
    if (error) pending.reject(ProtocolError.fromWire(error));
    else pending.resolve(result);
  }

  #onStreamEnd(): void {
    const bytes = this.#receive.unfinishedBytes;
    if (bytes > 0 && !this.closed) {
      const text = `the other end closed ${bytes} bytes into a message`;
      this.#error ??= new ProtocolError('CONNECTION_CLOSED', text);
    }
    this.end();
  }

  #closedError(): ProtocolError {
    return this.#error ?? new ProtocolError('CONNECTION_CLOSED', 'the connection is closed');
  }

  #onStreamClose(): void {
    if (this.#closed) return;
    this.#closed = true;
    // It would keep this connection, and its receive buffer.
    clearTimeout(this.#lingerTimer);
    for (const pending of this.#pending.values()) {
      clearTimeout(pending.timer);
      pending.reject(this.#closedError());
    }
    this.#pending.clear();
    this.handlers.onClose(this.#error);
  }
}
