import { limits } from './limits.js';

/**
 * @throws Error (ENAMETOOLONG) naming path and limit where the path does not fit in sun_path.
 * @throws TypeError where who calls from JavaScript gives none.
 */
export function checkSocketPath(path: string): void {
  if (typeof path !== 'string') throw new TypeError(`path must be a string, not ${path}`);
  const bytes = Buffer.byteLength(path);
  if (bytes <= limits.socketPathBytesMax) return;
  const text = `socket path of ${bytes} bytes, ${limits.socketPathBytesMax} is the limit: ${path}`;
  throw Object.assign(new Error(text), { code: 'ENAMETOOLONG' });
}
