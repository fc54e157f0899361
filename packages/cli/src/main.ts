import { ProtocolError } from '@kvm-audio/client';
import yargs from 'yargs';
import { bridgeCommand } from './commands/bridge.js';
import { demoCommand } from './commands/demo.js';
import { qualityCommand } from './commands/quality.js';
import { statusCommand } from './commands/status.js';
import { guardStandardStreams } from './standardStreams.js';

/** As in sysexits.h. */
const exitCodes = { failed: 1, usage: 64, noDaemon: 69, forbidden: 77 };

function die(error: unknown): never {
  const message = error instanceof Error ? error.message : String(error);
  const noDaemon = error instanceof ProtocolError && error.code === 'CONNECTION_CLOSED';
  console.error(`kvm-audioctl: ${message}${noDaemon ? '; is kvm-audiod running?' : ''}`);
  const forbidden = error instanceof ProtocolError && error.code === 'FORBIDDEN';
  if (noDaemon) process.exit(exitCodes.noDaemon);
  process.exit(forbidden ? exitCodes.forbidden : exitCodes.failed);
}

guardStandardStreams();

await yargs(process.argv.slice(2))
  .scriptName('kvm-audioctl')
  .usage('$0 <command>\n\nAsks the kvm-audio daemon.')
  .command(statusCommand)
  .command(bridgeCommand)
  .command(qualityCommand)
  .command(demoCommand)
  .demandCommand(1, 'a command is missing')
  .strict()
  .epilogue('KVM_AUDIO_RUNTIME_DIR says where the sockets are.')
  .fail((message, error) => {
    if (error) die(error);
    console.error(`kvm-audioctl: ${message.trim().replace(/\s*\n\s*/g, '; ')} (--help shows how)`);
    process.exit(exitCodes.usage);
  })
  .parseAsync()
  .catch(die);
