import type { DaemonStatus } from '@kvm-audio/client';
import type { CommandModule } from 'yargs';
import { askDaemon, waitOption } from '../askDaemon.js';
import { formatStatus } from '../formatStatus.js';

/** Both processes run, and know what their cards do: nothing of them is `starting`. */
export function isUp({ output, input }: Pick<DaemonStatus, 'output' | 'input'>): boolean {
  return [output, input].every(
    ({ state, stream }) => state === 'running' && stream !== null && stream.state !== 'starting',
  );
}

export const statusCommand: CommandModule<object, { json: boolean; wait: number }> = {
  command: 'status',
  describe: 'what the daemon and its pipelines do',
  builder: (args) =>
    args
      .strictCommands(false)
      .option('json', { type: 'boolean', default: false, describe: 'everything, as JSON' })
      .options(waitOption),
  handler: async ({ json, wait }) => {
    const status = await askDaemon((control) => control.call('status.get', {}), wait, isUp);
    console.log(json ? JSON.stringify(status, null, 2) : formatStatus(status));
  },
};
