import type { CommandModule } from 'yargs';
import { Bridge } from '../Bridge.js';

export const bridgeCommand: CommandModule<object, { takeover: boolean }> = {
  command: 'bridge',
  describe: 'play on the output what the input hears, until Ctrl-C',
  builder: (args) =>
    args.option('takeover', {
      type: 'boolean',
      default: false,
      describe: 'take the place of a source that plays now',
    }),
  handler: ({ takeover }) => {
    let told = '';
    const tell = (text: string): void => {
      if (text !== told) console.error(text);
      told = text;
    };
    const bridge = new Bridge(
      {
        connected: (side) => tell(`${side} connected`),
        disconnected: (side, error) =>
          tell(`${side} lost: ${error?.message ?? 'closed'}; trying again`),
        replaced: () => {
          tell('another source took over');
          bridge.close();
        },
      },
      takeover,
    );
    const stop = (): void => bridge.close();
    process.once('SIGINT', stop);
    process.once('SIGTERM', stop);
  },
};
