import { ControlClient } from '@kvm-audio/client';
import { socketOf } from './socketOf.js';

export const clientName = 'kvm-audioctl';

/** Opens the control socket, asks, closes. */
export async function askDaemon<T>(ask: (control: ControlClient) => Promise<T>): Promise<T> {
  const control = await ControlClient.open({ path: socketOf('control'), client: clientName });
  try {
    return await ask(control);
  } finally {
    control.close();
  }
}
