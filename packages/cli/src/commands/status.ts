import type { DaemonStatus } from '@kvm-audio/client';
import type { CommandModule } from 'yargs';
import { askDaemon, waitOption } from '../askDaemon.js';
import { formatStatus } from '../formatStatus.js';
import { jsonOption, printAnswer } from '../printAnswer.js';

/** Both processes run, and know what their cards do: nothing of them is `starting`. */
export function isUp({ output, input }: Pick<DaemonStatus, 'output' | 'input'>): boolean {
  return [output, input].every(
    ({ state, stream }) => state === 'running' && stream !== null && stream.state !== 'starting',
  );
}

export const statusCommand: CommandModule<object, { json: boolean; wait: number }> = {
  command: 'status',
  describe: 'what the daemon and its pipelines do',
  builder: (args) => args.strictCommands(false).options(jsonOption).options(waitOption),
  handler: async ({ json, wait }) => {
    const status = await askDaemon((control) => control.call('status.get', {}), wait, isUp);
    printAnswer(status, json, formatStatus);
  },
};
