import { runtimeFolder, socketPath } from '@kvm-audio/client';
import { checkSocketPath } from '@kvm-audio/protocol';

/** @throws Error (ENAMETOOLONG) where the runtime folder's path leaves no room for its name. */
export function socketOf(name: Parameters<typeof socketPath>[1]): string {
  const path = socketPath(runtimeFolder(), name);
  checkSocketPath(path);
  return path;
}
