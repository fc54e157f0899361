import { accessSync, chmodSync, constants, mkdirSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { checkSocketPath, type SocketName, socketNames, socketPath } from '@kvm-audio/protocol';
import { exitCodes, FatalError } from './exitCodes.js';

/** With its parents. Not mkdir's `recursive`, which in Node 20 never ends below /proc. */
function makeFolder(folder: string): void {
  const there = statSync(folder, { throwIfNoEntry: false });
  if (there?.isDirectory()) return;
  if (there) throw Object.assign(new Error(`${folder} is no folder`), { code: 'ENOTDIR' });
  makeFolder(dirname(folder));
  mkdirSync(folder, { mode: 0o750 });
}

/**
 * Makes the folder (mode 0750; where `open`, others may pass through it, and the sockets say who
 * they let in) and checks that sockets fit and can be made in it.
 * @throws FatalError naming the folder and the limit or the system's error.
 */
export function prepareRuntimeFolder(folder: string, open = false): void {
  for (const name of Object.keys(socketNames) as SocketName[]) {
    try {
      checkSocketPath(socketPath(folder, name));
    } catch (error) {
      throw new FatalError(exitCodes.socketPath, `runtime folder: ${(error as Error).message}`);
    }
  }
  try {
    makeFolder(resolve(folder));
    if (open) chmodSync(folder, 0o751);
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new FatalError(
      exitCodes.runtimeFolder,
      `runtime folder ${folder} cannot be written (${why}); KVM_AUDIO_RUNTIME_DIR names another`,
    );
  }
}
