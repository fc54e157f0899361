import { fileURLToPath } from 'node:url';

/** The checkout's folder. This file is two folders below it, as a source and when it is built. */
const repository = new URL('../../', import.meta.url);

/** Absolute path of something in the checkout. */
export function inRepository(path: string): string {
  return fileURLToPath(new URL(path, repository));
}
