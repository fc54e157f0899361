import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { parse, TomlError } from 'smol-toml';
import type { z } from 'zod';
import { exitCodes, FatalError } from '../exitCodes.js';
import { type Config, configSchema } from './schema.js';

/** A larger file is no configuration. */
const fileBytesMax = 1_048_576;
/** Characters of a wrong value that an error repeats. */
const shownCharsMax = 200;

function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  let value = root;
  for (const key of path) value = (value as Record<PropertyKey, unknown> | undefined)?.[key];
  return value;
}

/** As JSON, but for the numbers that it does not have: TOML knows nan and inf. */
function show(value: unknown): string | undefined {
  const text = typeof value === 'number' ? String(value) : JSON.stringify(value);
  return text && text.length > shownCharsMax ? `${text.slice(0, shownCharsMax)}…` : text;
}

/** What a value of another type must be, by the schema's word for a type. */
const typeWords: Record<string, string> = {
  array: 'a list',
  boolean: 'true or false',
  int: 'a whole number',
  number: 'a number',
  object: 'a section',
  string: 'a text',
};

/** The words of an error of which the schema itself has none. */
function wordsOf(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code !== 'invalid_type') return undefined;
  // A whole number is called `number` where what is there is none at all.
  const isWhole = (issue.inst?._zod.def as { format?: string } | undefined)?.format === 'safeint';
  return `must be ${typeWords[isWhole ? 'int' : issue.expected]}`;
}

/** A text is not less than 1: it is empty. */
function describeSize(origin: string, bound: string, limit: unknown): string {
  if (origin === 'array') return `must have at ${bound} ${limit} entries`;
  if (origin !== 'string') return `must be at ${bound} ${limit}`;
  return bound === 'least' && limit === 1
    ? 'must not be empty'
    : `must be at ${bound} ${limit} characters long`;
}

/** One line a mistake: the key, its value, and what it may be. */
function describe(issue: z.core.$ZodIssue, root: unknown): string {
  const key = issue.path.join('.');
  const value = show(valueAt(root, issue.path));
  switch (issue.code) {
    case 'unrecognized_keys': {
      const keys = issue.keys.map((name) => (key ? `${key}.${name}` : name));
      return `unknown key ${keys.join(', ')}`;
    }
    case 'too_small':
      if (issue.inclusive === false) return `${key} = ${value}: must be more than ${issue.minimum}`;
      return `${key} = ${value}: ${describeSize(issue.origin, 'least', issue.minimum)}`;
    case 'too_big':
      return `${key} = ${value}: ${describeSize(issue.origin, 'most', issue.maximum)}`;
    case 'invalid_value':
      return `${key} = ${value}: must be one of ${issue.values.join(', ')}`;
    case 'invalid_format':
    case 'invalid_type':
      return `${key} = ${value}: ${issue.message}`;
    default:
      return `${key}: ${issue.message}`;
  }
}

function deepFreeze<T extends object>(value: T): T {
  for (const field of Object.values(value)) {
    if (typeof field === 'object' && field !== null) deepFreeze(field);
  }
  return Object.freeze(value);
}

/**
 * Checks a configuration as it came out of a file and fills in the defaults.
 * @param source names the file in the error.
 * @throws FatalError with one line that names the file, each key, its value and its bound.
 */
export function checkConfig(raw: unknown, source: string): Config {
  const parsed = configSchema.safeParse(raw, { error: wordsOf });
  if (parsed.success) return deepFreeze(parsed.data);
  const mistakes = parsed.error.issues.map((issue) => describe(issue, raw));
  throw new FatalError(exitCodes.configuration, `${source}: ${mistakes.join('; ')}`);
}

/** @throws FatalError where it is no file of ordinary size, or cannot be read. */
function readBytes(path: string): Buffer {
  const refuse = (why: string): never => {
    throw new FatalError(exitCodes.configuration, `${path || '""'}: cannot be read (${why})`);
  };
  let fd: number | undefined;
  try {
    // Not blocking: a FIFO would wait for somebody who writes.
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stat = fstatSync(fd);
    if (!stat.isFile() && !stat.isDirectory()) return refuse('it is no regular file');
    if (stat.size > fileBytesMax) return refuse(`it has more than ${fileBytesMax} bytes`);
    return readFileSync(fd);
  } catch (error) {
    if (error instanceof FatalError) throw error;
    return refuse((error as NodeJS.ErrnoException).code ?? String(error));
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** Where the first byte is that no UTF-8 text has there. */
function badByteAt(bytes: Buffer): number {
  const replaced = Buffer.from('\ufffd');
  const text = bytes.toString();
  let offset = 0;
  for (const character of text) {
    const length = Buffer.byteLength(character);
    if (character === '\ufffd' && !bytes.subarray(offset, offset + length).equals(replaced)) break;
    offset += length;
  }
  return offset;
}

function decode(bytes: Buffer, path: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    const offset = badByteAt(bytes);
    const line = bytes.subarray(0, offset).toString().split('\n').length;
    const byte = bytes.toString('hex', offset, offset + 1);
    throw new FatalError(
      exitCodes.configuration,
      `${path}:${line}: not UTF-8: byte 0x${byte} at offset ${offset}`,
    );
  }
}

/** Reads and checks a TOML file; without a path all is default. */
export function loadConfig(path: string | undefined): Config {
  if (path === undefined) return checkConfig({}, 'defaults');
  const text = decode(readBytes(path), path);
  try {
    return checkConfig(parse(text), path);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const why = error.message.split('\n')[0]?.replace(/^Invalid TOML document: /, '');
    const at = `${path}:${error.line}:${error.column}`;
    throw new FatalError(exitCodes.configuration, `${at}: not TOML: ${why}`);
  }
}
