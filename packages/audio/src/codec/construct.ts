import { CodecError } from './CodecError.js';

/** `new` of an addon's class; its failure carries the code that libopus gave. */
export function construct<T>(call: string, create: () => T): T {
  try {
    return create();
  } catch (error) {
    const code = (error as { opusCode?: unknown }).opusCode;
    if (typeof code !== 'number') throw error;
    throw new CodecError(call, code, { cause: error });
  }
}
