import type { CommandModule } from 'yargs';
import { askDaemon } from '../askDaemon.js';

export const metricsCommand: CommandModule = {
  command: 'metrics',
  describe: 'all figures as OpenMetrics text, for a program that watches many machines',
  builder: (args) => args.strictCommands(false),
  handler: async () => {
    const { text } = await askDaemon((control) => control.call('metrics.get', {}));
    // It ends as it has to: behind the last line there is nothing.
    process.stdout.write(text);
  },
};
