import { Listener, type ProtocolError, Talker } from '@kvm-audio/client';
import { clientName } from './askDaemon.js';
import { socketOf } from './socketOf.js';

const client = `${clientName} bridge`;

export type BridgeNotes = {
  connected(side: 'input' | 'output'): void;
  disconnected(side: 'input' | 'output', error: ProtocolError | undefined): void;
  /** How much sound waits between the output's socket and its card, each 2.5 s while it plays. */
  playoutDelay?(ms: number): void;
  /** Another source, by this name, took over: this bridge has ended. */
  replaced(by: string): void;
};

/**
 * Feeds the input's packets to the output, as they are: hear yourself. Reconnects both sides. It
 * begins to listen when the output's first try has ended: who is refused there opens no card.
 */
export class Bridge {
  readonly #notes: BridgeNotes;
  readonly #talker: Talker;
  #listener: Listener | undefined;

  constructor(notes: BridgeNotes, takeover = false) {
    this.#notes = notes;
    this.#talker = new Talker({ path: socketOf('output'), client, takeover });
    this.#talker.on('connected', () => {
      notes.connected('output');
      this.#listen();
    });
    this.#talker.on('disconnected', (error) => {
      notes.disconnected('output', error);
      this.#listen();
    });
    this.#talker.on('feedback', ({ playoutDelayMs }) => notes.playoutDelay?.(playoutDelayMs));
    this.#talker.on('replaced', (by) => notes.replaced(by));
  }

  /** Idempotent. */
  close(): void {
    this.#listener?.close();
    this.#talker.close();
  }

  #listen(): void {
    if (this.#listener || this.#talker.closed) return;
    const notes = this.#notes;
    this.#listener = new Listener({ path: socketOf('input'), client });
    this.#listener.on('connected', () => notes.connected('input'));
    this.#listener.on('packet', (packet) => this.#talker.send(packet));
    this.#listener.on('disconnected', (error) => notes.disconnected('input', error));
  }
}
