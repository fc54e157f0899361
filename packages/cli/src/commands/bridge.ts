import { ControlClient, ProtocolError } from '@kvm-audio/client';
import type { CommandModule } from 'yargs';
import { clientName, waitOption } from '../askDaemon.js';
import { Bridge } from '../Bridge.js';
import { BridgeLog } from '../BridgeLog.js';
import { BridgePatience } from '../BridgePatience.js';
import { type AskStatus, StreamWatch } from '../StreamWatch.js';
import { socketOf } from '../socketOf.js';

type BridgeArgs = { takeover: boolean; wait: number };

const askStatus: AskStatus = async (signal) => {
  const path = socketOf('control');
  const control = await ControlClient.open({ path, client: clientName, signal });
  return control.call('status.get', {}, { signal }).finally(() => control.close());
};

/** Resolves when it was stopped. @throws ProtocolError what does not mend itself. */
function runBridge({ takeover, wait }: BridgeArgs): Promise<void> {
  return new Promise((resolve, reject) => {
    const tell = (line: string): void => console.error(line);
    const log = new BridgeLog(tell);
    const stop = (): void => {
      patience.end();
      watch.close();
      bridge.close();
      resolve();
    };
    const patience = new BridgePatience(wait, (error: ProtocolError) => {
      reject(error);
      stop();
    });
    const bridge = new Bridge(
      {
        connected: (side) => {
          patience.connected(side);
          log.connected(side);
        },
        disconnected: (side, error) => {
          if (patience.goesOn(side, error)) log.disconnected(side, error);
        },
        playoutDelay: (ms) => watch.noteDelay(ms),
        replaced: (by) => {
          reject(new ProtocolError('AUDIO_ALREADY_RUNNING', `another source took over: ${by}`));
          stop();
        },
      },
      takeover,
    );
    const watch = new StreamWatch(askStatus, (...stream) => log.streamIs(...stream));
    process.once('SIGINT', stop);
    process.once('SIGTERM', stop);
  });
}

export const bridgeCommand: CommandModule<object, BridgeArgs> = {
  command: 'bridge',
  describe: 'play on the output what the input hears, until Ctrl-C',
  builder: (args) =>
    args
      .strictCommands(false)
      .option('takeover', {
        type: 'boolean',
        default: false,
        describe: 'take the place of a source that plays now',
      })
      .options(waitOption),
  handler: runBridge,
};
