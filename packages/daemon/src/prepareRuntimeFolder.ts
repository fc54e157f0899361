import { accessSync, constants, mkdirSync } from 'node:fs';
import { checkSocketPath, type SocketName, socketNames, socketPath } from '@kvm-audio/protocol';
import { exitCodes, FatalError } from './exitCodes.js';

/**
 * Makes the folder (mode 0750) and checks that sockets fit and can be made in it.
 * @throws FatalError naming the folder and the limit or the system's error.
 */
export function prepareRuntimeFolder(folder: string): void {
  for (const name of Object.keys(socketNames) as SocketName[]) {
    try {
      checkSocketPath(socketPath(folder, name));
    } catch (error) {
      throw new FatalError(exitCodes.socketPath, `runtime folder: ${(error as Error).message}`);
    }
  }
  try {
    mkdirSync(folder, { recursive: true, mode: 0o750 });
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new FatalError(
      exitCodes.runtimeFolder,
      `runtime folder ${folder} cannot be written (${why}); KVM_AUDIO_RUNTIME_DIR names another`,
    );
  }
}
