import { getSystemErrorName } from 'node:util';

/** A failed system call, in the shape of Node's own: `code` is the errno's name. */
export type SystemError = Error & { code: string; syscall: string };

/** @param result what the addon returned: -errno. */
export function systemError(syscall: string, result: number, about = ''): SystemError {
  const code = getSystemErrorName(result);
  const text = `${syscall} ${code}${about && ` ${about}`}`;
  return Object.assign(new Error(text), { code, syscall });
}

/** @throws SystemError where `result` is -errno. */
export function checked(syscall: string, result: number, about?: string): number {
  if (result < 0) throw systemError(syscall, result, about);
  return result;
}
