import type { CommandModule } from 'yargs';
import { askDaemon, waitOption } from '../askDaemon.js';
import { formatLatencyReport } from '../formatLatency.js';

export const latencyCommand: CommandModule<object, { json: boolean; wait: number }> = {
  command: 'latency',
  describe: 'how long sound is on its way, stage by stage',
  builder: (args) =>
    args
      .strictCommands(false)
      .option('json', { type: 'boolean', default: false, describe: 'everything, as JSON' })
      .options(waitOption),
  handler: async ({ json, wait }) => {
    const report = await askDaemon(
      (control) => control.call('latency.get', {}),
      wait,
      ({ output, input }) => output !== null && input !== null,
    );
    console.log(json ? JSON.stringify(report, null, 2) : formatLatencyReport(report));
  },
};
