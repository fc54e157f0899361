import { qualityLevels } from '@kvm-audio/client';
import type { CommandModule } from 'yargs';
import { Demo } from '../demo/Demo.js';
import { isFailure, tellOutputLost, whenOutputIsLost } from '../standardStreams.js';

type DemoArgs = { input: string | undefined; output: string | undefined; quality: string };

export const demoCommand: CommandModule<object, DemoArgs> = {
  command: 'demo',
  describe: 'run a daemon here, bridge its input to its output, print a line a second',
  builder: (args) =>
    args
      .option('input', { type: 'string', requiresArg: true, describe: 'ALSA PCM to capture from' })
      .option('output', { type: 'string', requiresArg: true, describe: 'ALSA PCM to play on' })
      .option('quality', {
        choices: qualityLevels,
        default: 'medium' as const,
        describe: 'level of both directions',
      }),
  handler: async (options) => {
    const demo = new Demo(options);
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => demo.stop());
    }
    let exitCode = 0;
    whenOutputIsLost((error) => {
      if (isFailure(error)) exitCode = 1;
      tellOutputLost(error);
      demo.stop();
    });
    process.exit((await demo.run()) || exitCode);
  },
};
