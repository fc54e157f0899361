import { join, resolve } from 'node:path';

export const socketNames = {
  control: 'control.sock',
  output: 'output.sock',
  input: 'input.sock',
} as const;
export type SocketName = keyof typeof socketNames;

/**
 * Where the sockets are: `$KVM_AUDIO_RUNTIME_DIR`; else, for an ordinary user with one,
 * `$XDG_RUNTIME_DIR/kvm-audio`; else `/run/kvm-audio`. Absolute: a relative path there is
 * one from the working directory.
 */
export function runtimeFolder(env: NodeJS.ProcessEnv = process.env): string {
  if (env.KVM_AUDIO_RUNTIME_DIR) return resolve(env.KVM_AUDIO_RUNTIME_DIR);
  if (process.getuid?.() !== 0 && env.XDG_RUNTIME_DIR)
    return resolve(env.XDG_RUNTIME_DIR, 'kvm-audio');
  return '/run/kvm-audio';
}

/** Path of a socket in the daemon's runtime folder. */
export function socketPath(folder: string, name: SocketName): string {
  return join(folder, socketNames[name]);
}
