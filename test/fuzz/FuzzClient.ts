import net from 'node:net';
import { decodeMessage, errorCodes, isAudioPacket, ReceiveBuffer } from '@kvm-audio/protocol';

/** How a connection ended: a code that the server told, or one of these. */
export type Outcome = string;
export const outcomes = {
  /** The server has answered all, and goes on. */
  open: 'open',
  /** It waits for the rest of a message. */
  waiting: 'waiting for more',
  /** It closed after what was the client's own end. */
  ended: 'ended',
  /** It closed while this end wrote: Node throws away what it has not read yet. */
  cutOff: 'closed while sending',
  /** It closed without a word. */
  silent: 'closed without a reason',
  /** There was no connection. */
  refused: 'not accepted',
} as const;

/** One connection of the fuzzer: says anything, and hears how the server takes it. */
export class FuzzClient {
  /** Codes that were told, in order: of responses and of the notification `error`. */
  readonly codes: string[] = [];
  /** Ids of answered requests. */
  readonly #answered = new Set<number>();
  readonly #socket: net.Socket;
  readonly #receive = new ReceiveBuffer();
  #finalCode: string | undefined;
  #closed = false;
  #connected = false;
  #writeFailed = false;
  #wake: () => void = () => undefined;

  constructor(path: string) {
    this.#socket = net.connect({ path, allowHalfOpen: true });
    this.#socket.on('connect', () => {
      this.#connected = true;
    });
    this.#socket.on('data', (chunk) => this.#onData(chunk));
    this.#socket.on('end', () => {
      this.#socket.end();
      this.#onClosed();
    });
    this.#socket.on('error', () => {
      this.#writeFailed = this.#connected;
    });
    this.#socket.on('close', () => this.#onClosed());
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** How it was closed; to be asked once it is. */
  get outcome(): Outcome {
    // A hello may have had any id.
    const told = this.#finalCode ?? this.codes.at(-1);
    if (told) return told;
    if (this.#writeFailed) return outcomes.cutOff;
    return this.#connected ? outcomes.silent : outcomes.refused;
  }

  send(bytes: Uint8Array): void {
    if (this.#socket.writable) this.#socket.write(bytes);
  }

  halfClose(): void {
    this.#socket.end();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  isAnswered(id: number): boolean {
    return this.#answered.has(id);
  }

  /** @returns whether the condition came true: it is looked at whenever something arrives. */
  async until(condition: () => boolean, timeoutMs: number): Promise<boolean> {
    if (condition()) return true;
    return new Promise((resolve) => {
      const finish = (): void => {
        clearTimeout(timer);
        this.#wake = () => undefined;
        resolve(condition());
      };
      const timer = setTimeout(finish, timeoutMs);
      this.#wake = () => {
        if (condition()) finish();
      };
    });
  }

  waitForClose(timeoutMs: number): Promise<boolean> {
    return this.until(() => this.#closed, timeoutMs);
  }

  #onData(chunk: Buffer): void {
    this.#receive.feed(chunk, (bytes, start, end) => {
      if (isAudioPacket(bytes, start, end)) return;
      const message = decodeMessage(bytes, start, end);
      if (message.kind === 'response') {
        this.#answered.add(message.id);
        if (message.error) this.#onError(message.error.code, message.id === 1);
      } else if (message.kind === 'notification' && message.method === 'error') {
        this.#onError(String((message.params as { code?: unknown }).code), true);
      } else if (message.kind === 'notification' && message.method === 'source.replaced') {
        this.#finalCode = message.method;
      }
    });
    this.#wake();
  }

  #onError(code: string, final: boolean): void {
    if (!errorCodes.some((known) => known === code)) throw new Error(`the server told ${code}`);
    this.codes.push(code);
    if (final) this.#finalCode = code;
  }

  #onClosed(): void {
    this.#closed = true;
    this.#wake();
  }
}
