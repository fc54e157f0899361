import { Writable } from 'node:stream';
import { LogOutput } from './LogOutput.js';

/** What was asked to be written, each answered by hand: so a stream that fails or stands still. */
class HandStream extends Writable {
  readonly written: string[] = [];
  readonly #answers: ((error?: Error) => void)[] = [];

  constructor() {
    super({ decodeStrings: false, autoDestroy: false });
  }

  override _write(line: string, _: string, answer: (error?: Error) => void): void {
    this.written.push(line);
    this.#answers.push(answer);
  }

  async answer(error?: Error): Promise<void> {
    this.#answers.shift()?.(error);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('the way out of a log', () => {
  function open(): { stream: HandStream; output: LogOutput } {
    const stream = new HandStream();
    return { stream, output: new LogOutput(stream, (lines) => `lost ${lines}\n`) };
  }

  test('is each line as it is', async () => {
    const { stream, output } = open();
    output.write('a\n');
    await stream.answer();
    output.write('b\n');
    expect(stream.written).toEqual(['a\n', 'b\n']);
  });

  test('keeps what waits for a slow reader to 64 KiB, and counts the rest', async () => {
    const { stream, output } = open();
    const line = `${'x'.repeat(9_999)}\n`;
    for (let i = 0; i < 20; i++) output.write(line);
    expect(stream.writableLength).toBe(70_000);
    for (let i = 0; i < 7; i++) await stream.answer();
    expect(stream.written).toHaveLength(7);
    output.write('a\n');
    output.write('b\n');
    await stream.answer();
    expect(stream.written.slice(7)).toEqual(['lost 13\na\n', 'b\n']);
  });

  test('begins a new line where the last may have been written in part', () => {
    const written: string[] = [];
    let full = true;
    const disk = new Writable({ decodeStrings: false });
    jest.spyOn(disk, 'write').mockImplementation((line, answer) => {
      if (!full) written.push(line as string);
      (answer as unknown as (error?: Error) => void)(full ? new Error('ENOSPC') : undefined);
      return true;
    });
    const output = new LogOutput(disk, (lines) => `lost ${lines}\n`);
    output.write('a\n');
    output.write('b\n');
    full = false;
    output.write('c\n');
    output.write('d\n');
    expect(written).toEqual(['\nlost 2\nc\n', 'd\n']);
  });

  test('survives a stream that says no', async () => {
    const { stream, output } = open();
    output.write('a\n');
    await stream.answer(new Error('ENOSPC'));
    expect(stream.errored).toBeTruthy();
    expect(() => output.write('b\n')).not.toThrow();
  });
});
