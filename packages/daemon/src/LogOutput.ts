import type { Writable } from 'node:stream';

/** Bytes that may wait for a reader that is slow or has been stopped. */
const waitingBytesMax = 65_536;

/**
 * The log's way out of the process. A log that cannot be written (a full disk, a reader that has
 * gone or stands still) costs its lines and nothing else: they are counted, and the count is
 * written in front of the first line that gets through again.
 */
export class LogOutput {
  readonly #stream: Writable;
  readonly #tellLost: (lines: number) => string;
  #lost = 0;
  /** The last line may be there in part. */
  #torn = false;

  /** @param tellLost makes the line that tells how many were lost. */
  constructor(stream: Writable, tellLost: (lines: number) => string) {
    this.#stream = stream;
    this.#tellLost = tellLost;
    // Each write hears of its own error; as an event that nobody takes it would end the process.
    stream.on('error', () => undefined);
  }

  /** @param line with its newline. */
  write(line: string): void {
    if (this.#stream.writableLength > waitingBytesMax) {
      this.#lost += 1;
      return;
    }
    const lost = this.#lost;
    const begin = (this.#torn ? '\n' : '') + (lost > 0 ? this.#tellLost(lost) : '');
    this.#lost = 0;
    this.#torn = false;
    this.#stream.write(begin + line, (error) => {
      if (!error) return;
      this.#lost += lost + 1;
      this.#torn = true;
    });
  }
}
