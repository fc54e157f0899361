import { limits } from './limits.js';

/** @throws Error (ENAMETOOLONG) naming path and limit where the path does not fit in sun_path. */
export function checkSocketPath(path: string): void {
  const bytes = Buffer.byteLength(path);
  if (bytes <= limits.socketPathBytesMax) return;
  const text = `socket path of ${bytes} bytes, ${limits.socketPathBytesMax} is the limit: ${path}`;
  throw Object.assign(new Error(text), { code: 'ENAMETOOLONG' });
}
