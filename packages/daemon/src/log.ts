import { escapeControls } from '@kvm-audio/protocol';
import { pino, stdSerializers } from 'pino';
import { LogOutput } from './LogOutput.js';
import type { Log, LogLevel } from './LogRecord.js';

const names: Record<number, string> = {
  10: 'TRACE',
  20: 'DEBUG',
  30: 'INFO',
  40: 'WARN',
  50: 'ERROR',
  60: 'FATAL',
};

/** Text as it is, where it cannot be taken for more than it is; else as JSON. */
function show(value: unknown): string {
  const isPlain = typeof value === 'string' && escapeControls(value) === value;
  return isPlain ? value : JSON.stringify(value);
}

/** A JSON line as a person reads it: time, level, who, what, then the other fields. */
export function formatLine(line: string): string {
  const { level, time, name, msg, ...fields } = JSON.parse(line) as Record<string, unknown>;
  const clock = new Date(time as number).toISOString().slice(11, 23);
  const rest = Object.entries(fields)
    .map(([key, value]) => ` ${key}=${show(value)}`)
    .join('');
  const levelName = (names[level as number] ?? String(level)).padEnd(5);
  return `${escapeControls(`${clock} ${levelName} ${String(name)}: ${String(msg)}${rest}`)}\n`;
}

/**
 * A log whose lines go to `write`, whole, each with its newline. No pino transport: each would be
 * a thread of its own.
 */
export function createLog(name: string, level: LogLevel, write: (line: string) => void): Log {
  return pino(
    { name, level, base: { name }, serializers: { error: stdSerializers.err } },
    { write },
  );
}

function lostLine(lost: number): string {
  const msg = 'lines of this log are lost: they could not be written';
  return `${JSON.stringify({ level: 40, time: Date.now(), name: 'daemon', lost, msg })}\n`;
}

/** Writes lines to standard error, as text where a person reads them. */
export function stderrWriter(format: 'auto' | 'json' | 'text'): (line: string) => void {
  const asText = format === 'text' || (format === 'auto' && process.stderr.isTTY === true);
  const shown = (line: string): string => (asText ? formatLine(line) : line);
  const output = new LogOutput(process.stderr, (lost) => shown(lostLine(lost)));
  return (line) => output.write(shown(line));
}
