import { Listener, type ProtocolError, Talker } from '@kvm-audio/client';
import { clientName } from './askDaemon.js';
import { socketOf } from './socketOf.js';

export type BridgeNotes = {
  connected(side: 'input' | 'output'): void;
  disconnected(side: 'input' | 'output', error: ProtocolError | undefined): void;
  replaced(): void;
};

/** Feeds the input's packets to the output, as they are: hear yourself. Reconnects both sides. */
export class Bridge {
  readonly #listener: Listener;
  readonly #talker: Talker;

  constructor(notes: BridgeNotes, takeover = false) {
    const client = `${clientName} bridge`;
    this.#listener = new Listener({ path: socketOf('input'), client });
    this.#talker = new Talker({ path: socketOf('output'), client, takeover });
    this.#listener.on('connected', () => notes.connected('input'));
    this.#listener.on('packet', (packet) => this.#talker.send(packet));
    this.#listener.on('disconnected', (error) => notes.disconnected('input', error));
    this.#talker.on('connected', () => notes.connected('output'));
    this.#talker.on('disconnected', (error) => notes.disconnected('output', error));
    this.#talker.on('replaced', () => notes.replaced());
  }

  close(): void {
    this.#listener.close();
    this.#talker.close();
  }
}
