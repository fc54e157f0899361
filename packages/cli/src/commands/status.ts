import type { CommandModule } from 'yargs';
import { askDaemon } from '../askDaemon.js';
import { formatStatus } from '../formatStatus.js';

export const statusCommand: CommandModule<object, { json: boolean }> = {
  command: 'status',
  describe: 'what the daemon and its pipelines do',
  builder: (args) =>
    args.option('json', { type: 'boolean', default: false, describe: 'everything, as JSON' }),
  handler: async ({ json }) => {
    const status = await askDaemon((control) => control.call('status.get', {}));
    console.log(json ? JSON.stringify(status, null, 2) : formatStatus(status));
  },
};
