import { ProtocolError } from './errors.js';
import { limits } from './limits.js';
import { quoted } from './quoted.js';

/** Checks one value that came from a socket; throws BAD_PARAMS naming the path, else returns it. */
export type Check<T> = (value: unknown, path: string) => T;

function show(value: unknown): string {
  if (value === null) return 'nil';
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'string') return quoted(value);
  const isPlain = typeof value === 'number' || typeof value === 'boolean';
  return isPlain ? `${typeof value} ${value}` : typeof value;
}

function refuse(path: string, wanted: string, value: unknown): never {
  const text =
    value === undefined
      ? `${path} is missing (must be ${wanted})`
      : `${path} must be ${wanted}, not ${show(value)}`;
  throw new ProtocolError('BAD_PARAMS', text, { path });
}

export const bool: Check<boolean> = (value, path) =>
  typeof value === 'boolean' ? value : refuse(path, 'true or false', value);

export function integer(min: number, max: number): Check<number> {
  return (value, path) =>
    Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max
      ? (value as number)
      : refuse(path, `an integer from ${min} to ${max}`, value);
}

export function real(min: number, max: number): Check<number> {
  return (value, path) =>
    typeof value === 'number' && value >= min && value <= max
      ? value
      : refuse(path, `a number from ${min} to ${max}`, value);
}

export function text(bytesMax: number = limits.nameBytesMax): Check<string> {
  return (value, path) =>
    typeof value === 'string' && Buffer.byteLength(value) <= bytesMax
      ? value
      : refuse(path, `a string of at most ${bytesMax} bytes`, value);
}

export function oneOf<const T extends readonly (string | number)[]>(choices: T): Check<T[number]> {
  const wanted = choices.length === 1 ? `${choices[0]}` : `one of ${choices.join(', ')}`;
  return (value, path) =>
    choices.includes(value as T[number]) ? (value as T[number]) : refuse(path, wanted, value);
}

export function nullable<T>(check: Check<T>): Check<T | null> {
  return (value, path) => (value === null || value === undefined ? null : check(value, path));
}

/** A field that may be missing. nil counts as missing, for languages without the difference. */
export function optional<T>(check: Check<T>): Check<T | undefined> {
  return (value, path) => (value === null || value === undefined ? undefined : check(value, path));
}

type Shape = Record<string, Check<unknown>>;
type MayMiss<C extends Check<unknown>> = undefined extends ReturnType<C> ? true : false;
/** The type that a shape checks. Its fields keep their comments: the keys are those of `S` itself. */
export type Shaped<S extends Shape> = {
  [K in keyof S as MayMiss<S[K]> extends true ? never : K]: ReturnType<S[K]>;
} & {
  [K in keyof S as MayMiss<S[K]> extends true ? K : never]?: Exclude<ReturnType<S[K]>, undefined>;
};

/** A map with these fields. Fields that we do not know are ignored: a newer peer may send more. */
export function shape<S extends Shape>(fields: S): Check<Shaped<S>> {
  const names = Object.keys(fields);
  return (value, path) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      refuse(path, 'a map', value);
    }
    const out: Record<string, unknown> = {};
    for (const name of names) {
      const checked = fields[name]?.((value as Record<string, unknown>)[name], `${path}.${name}`);
      if (checked !== undefined) out[name] = checked;
    }
    return out as Shaped<S>;
  };
}

/** Fields that may all be missing: then the map may be missing, too. */
export function optionalFields<T>(check: Check<T>): Check<T> {
  return (value, path) => check(value ?? {}, path);
}

/** No fields: `{}` or nil. */
export const nothing: Check<Record<string, never>> = (value, path) =>
  value === null || value === undefined || typeof value === 'object'
    ? {}
    : refuse(path, 'an empty map', value);
