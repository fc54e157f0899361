import { qualityLevels } from '@kvm-audio/client';
import type { CommandModule } from 'yargs';
import { choice } from '../choice.js';
import { Demo } from '../demo/Demo.js';
import { isFailure, tellOutputLost, whenOutputIsLost } from '../standardStreams.js';

type DemoArgs = { input: string | undefined; output: string | undefined; quality: string };

export const demoCommand: CommandModule<object, DemoArgs> = {
  command: 'demo',
  describe: 'run a daemon here, bridge its input to its output, print a line a second',
  builder: (args) =>
    args
      .strictCommands(false)
      .option('input', { type: 'string', requiresArg: true, describe: 'ALSA PCM to capture from' })
      .option('output', { type: 'string', requiresArg: true, describe: 'ALSA PCM to play on' })
      .option('quality', {
        ...choice('--quality', qualityLevels, 'level of both directions'),
        requiresArg: true,
        default: 'medium' as const,
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
