import net from 'node:net';
import { decodeMessage, isAudioPacket, type Message, ReceiveBuffer } from '@kvm-audio/protocol';
import { waitFor } from './waitFor.js';

/** What came in one message: its bytes with the length field, and what they say. */
export type WireMessage = { hex: string; message: Message | 'audio' };

/** A client that may say anything: sends bytes as they are, keeps what it is told. */
export class WireClient {
  readonly received: WireMessage[] = [];
  readonly #socket: net.Socket;
  readonly #receive = new ReceiveBuffer();
  #ended = false;
  #closed = false;

  private constructor(socket: net.Socket) {
    this.#socket = socket;
    socket.on('data', (chunk) => this.#receive.feed(chunk, this.#onMessage));
    socket.on('end', () => {
      this.#ended = true;
      socket.end();
    });
    // The reason of a close was sent before it: that is what tests look at.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#closed = true;
    });
  }

  static async connect(path: string): Promise<WireClient> {
    const socket = net.connect({ path, allowHalfOpen: true });
    const client = new WireClient(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return client;
  }

  /** The server has closed its side, or all of it. */
  get ended(): boolean {
    return this.#ended || this.#closed;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** All messages but audio, in order. */
  get messages(): Message[] {
    return this.received.flatMap(({ message }) => (message === 'audio' ? [] : [message]));
  }

  /** Bytes that wait here because the server does not read. */
  get queuedBytes(): number {
    return this.#socket.writableLength;
  }

  send(bytes: Uint8Array): void {
    if (!this.#socket.destroyed && !this.#socket.writableEnded) this.#socket.write(bytes);
  }

  /** Sends no more, but reads on. */
  halfClose(): void {
    this.#socket.end();
  }

  pause(): void {
    this.#socket.pause();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  async waitForMessages(count: number, timeoutMs = 10_000): Promise<Message[]> {
    await waitFor(`${count} messages`, () => this.messages.length >= count, timeoutMs);
    return this.messages;
  }

  async waitForEnd(timeoutMs = 10_000): Promise<void> {
    const told = (): string => JSON.stringify(this.messages).slice(0, 300);
    await waitFor('end of the connection', () => this.ended, timeoutMs).catch((error) => {
      throw new Error(`${(error as Error).message}; told was ${told()}`);
    });
  }

  readonly #onMessage = (bytes: Buffer, start: number, end: number): void => {
    const hex = bytes.toString('hex', start - 4, end);
    const audio = isAudioPacket(bytes, start, end);
    this.received.push({ hex, message: audio ? 'audio' : decodeMessage(bytes, start, end) });
  };
}
