import { createRequire } from 'node:module';

/** A library that an addon needs, and Debian's package that has it. */
export type Library = { readonly name: string; readonly debian: string };

export type Load = (path: string) => unknown;

/**
 * Loads the addon of this name. `load` is given in tests.
 *
 * @throws Error that says what to install or to build; its `code` is `ALSA_UNAVAILABLE` for alsa.
 */
export function loadNative(
  name: 'alsa' | 'opus' | 'sys',
  libraries: readonly Library[],
  load: Load = createRequire(import.meta.url),
): unknown {
  try {
    // Relative to this file both in lib/ and in dist/.
    return load(`../build/Release/${name}.node`);
  } catch (error) {
    const code = `${name.toUpperCase()}_UNAVAILABLE`;
    throw Object.assign(new Error(explain(name, libraries, error), { cause: error }), { code });
  }
}

function explain(name: string, libraries: readonly Library[], error: unknown): string {
  const reason = error instanceof Error ? error.message : String(error);
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'MODULE_NOT_FOUND') return `the ${name} addon is not built: run \`make build\``;
  const missing = libraries.find((library) => reason.includes(`${library.name}.so`));
  if (!missing) return `the ${name} addon does not load: ${reason}`;
  const { name: library, debian } = missing;
  return `${library} is missing: install the package ${debian} (Debian, Ubuntu): ${reason}`;
}
