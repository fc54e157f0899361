import { exitCodes, FatalError } from '@kvm-audio/daemon';
import { lockFile } from '@kvm-audio/native-alsa/sys';

/**
 * One daemon a runtime folder: locks the folder itself until this process ends, however it ends.
 * Whoever has the lock may replace the sockets that a dead daemon left.
 * @throws FatalError naming the folder where a daemon runs already.
 */
export function lockRuntimeFolder(folder: string): void {
  let fd: number | undefined;
  try {
    fd = lockFile(folder);
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new FatalError(exitCodes.runtimeFolder, `${folder} cannot be locked (${why})`);
  }
  if (fd !== undefined) return;
  throw new FatalError(
    exitCodes.alreadyRunning,
    `a daemon runs already, with sockets in ${folder}`,
  );
}
