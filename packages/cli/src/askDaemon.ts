import { ControlClient, runtimeFolder, socketPath } from '@kvm-audio/client';

export const clientName = 'kvm-audioctl';

/** Opens the control socket, asks, closes. */
export async function askDaemon<T>(ask: (control: ControlClient) => Promise<T>): Promise<T> {
  const path = socketPath(runtimeFolder(), 'control');
  const control = await ControlClient.open({ path, client: clientName });
  try {
    return await ask(control);
  } finally {
    control.close();
  }
}
