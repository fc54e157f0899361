import type { Direction, ProtocolError } from '@kvm-audio/client';
import { escapeControls } from '@kvm-audio/protocol';

/**
 * What a bridge says of its two sides, in lines for a person. A trouble is told once for as long as
 * it lasts, whatever the other side says meanwhile; `lost` only of a connection that was there.
 */
export class BridgeLog {
  readonly #write: (line: string) => void;
  readonly #up = new Set<Direction>();
  readonly #told = { input: new Set<string>(), output: new Set<string>() };

  constructor(write: (line: string) => void) {
    this.#write = write;
  }

  connected(side: Direction): void {
    this.#up.add(side);
    this.#told[side].clear();
    this.#write(`${side} connected`);
  }

  /** @param error none where the daemon closed it as it should. */
  disconnected(side: Direction, error: ProtocolError | undefined): void {
    const what = this.#up.delete(side) ? 'lost' : 'not connected';
    const why = escapeControls(error?.message ?? 'the daemon closed the connection');
    const told = this.#told[side];
    const line = `${side} ${what}: ${why}; trying again`;
    if (told.has(line)) return;
    told.add(line);
    this.#write(line);
  }
}
