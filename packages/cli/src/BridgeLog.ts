import type { Direction, ProtocolError, StreamState } from '@kvm-audio/client';
import { escapeControls } from '@kvm-audio/protocol';

/** In which a stream is whole, and still nothing of it is heard. */
const silentStates: ReadonlySet<StreamState> = new Set([
  'no-device',
  'host-idle',
  'no-signal',
  'degraded',
]);

/** How each side says that it is so, and that it is over. */
const words = {
  input: { silent: 'hears nothing', again: 'hears again' },
  output: { silent: 'is not heard', again: 'is heard again' },
} as const;

/**
 * What a bridge says of its two sides, in lines for a person. A trouble is told once for as long as
 * it lasts, whatever the other side says meanwhile; `lost` only of a connection that was there.
 */
export class BridgeLog {
  readonly #write: (line: string) => void;
  readonly #up = new Set<Direction>();
  readonly #silent = new Map<Direction, StreamState>();
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
    this.#silent.delete(side);
    const what = this.#up.delete(side) ? 'lost' : 'not connected';
    const why = escapeControls(error?.message ?? 'the daemon closed the connection');
    const told = this.#told[side];
    const line = `${side} ${what}: ${why}; trying again`;
    // It says in how many seconds a pipeline is tried again, each time in fewer.
    const trouble = line.replace(/\d+(\.\d+)? s\b/g, 's');
    if (told.has(trouble)) return;
    told.add(trouble);
    this.#write(line);
  }

  /** The stream of a side that is connected is in this state, as it is told again and again. */
  streamIs(side: Direction, state: StreamState, reason: string | null): void {
    const before = this.#silent.get(side);
    if (!this.#up.has(side) || state === before) return;
    if (silentStates.has(state)) {
      this.#silent.set(side, state);
      const why = reason === null ? '' : `: ${escapeControls(reason)}`;
      this.#write(`${side} ${words[side].silent} (${state})${why}`);
    } else if (before !== undefined && state === 'running') {
      this.#silent.delete(side);
      this.#write(`${side} ${words[side].again}`);
    }
  }
}
