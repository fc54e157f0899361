import { readFileSync } from 'node:fs';
import { parse, TomlError } from 'smol-toml';
import type { z } from 'zod';
import { exitCodes, FatalError } from '../exitCodes.js';
import { type Config, configSchema } from './schema.js';

function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  let value = root;
  for (const key of path) value = (value as Record<PropertyKey, unknown> | undefined)?.[key];
  return value;
}

/** As JSON, but for the numbers that it does not have: TOML knows nan and inf. */
function show(value: unknown): string | undefined {
  return typeof value === 'number' ? String(value) : JSON.stringify(value);
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
      return `${key} = ${value}: must be at least ${issue.minimum}`;
    case 'too_big':
      return `${key} = ${value}: must be at most ${issue.maximum}`;
    case 'invalid_value':
      return `${key} = ${value}: must be one of ${issue.values.join(', ')}`;
    case 'invalid_type':
      return `${key} = ${value}: must be of type ${issue.expected}`;
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
  const parsed = configSchema.safeParse(raw);
  if (parsed.success) return deepFreeze(parsed.data);
  const mistakes = parsed.error.issues.map((issue) => describe(issue, raw));
  throw new FatalError(exitCodes.configuration, `${source}: ${mistakes.join('; ')}`);
}

/** Reads and checks a TOML file; without a path all is default. */
export function loadConfig(path: string | undefined): Config {
  if (path === undefined) return checkConfig({}, 'defaults');
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new FatalError(exitCodes.configuration, `${path}: cannot be read (${why})`);
  }
  try {
    return checkConfig(parse(text), path);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const why = error.message.split('\n')[0];
    const at = `${path}:${error.line}:${error.column}`;
    throw new FatalError(exitCodes.configuration, `${at}: not TOML: ${why}`);
  }
}
