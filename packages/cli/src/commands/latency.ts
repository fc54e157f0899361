import type { CommandModule } from 'yargs';
import { askDaemon, waitOption } from '../askDaemon.js';
import { formatLatencyReport } from '../formatLatency.js';
import { jsonOption, printAnswer } from '../printAnswer.js';

export const latencyCommand: CommandModule<object, { json: boolean; wait: number }> = {
  command: 'latency',
  describe: 'how long sound is on its way, stage by stage',
  builder: (args) => args.strictCommands(false).options(jsonOption).options(waitOption),
  handler: async ({ json, wait }) => {
    const report = await askDaemon(
      (control) => control.call('latency.get', {}),
      wait,
      ({ output, input }) => output !== null && input !== null,
    );
    printAnswer(report, json, formatLatencyReport);
  },
};
