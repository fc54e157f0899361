import { escapeControls } from '@kvm-audio/protocol';
import yargs from 'yargs';
import { bridgeCommand } from './commands/bridge.js';
import { demoCommand } from './commands/demo.js';
import { latencyCommand } from './commands/latency.js';
import { qualityCommand } from './commands/quality.js';
import { statusCommand } from './commands/status.js';
import { guardStandardStreams } from './standardStreams.js';

/** As in sysexits.h. */
const exitCodes = { failed: 1, usage: 64, noDaemon: 69, forbidden: 77, socketPath: 78 };

const exitCodeOf: Record<string, number> = {
  CONNECTION_CLOSED: exitCodes.noDaemon,
  FORBIDDEN: exitCodes.forbidden,
  ENAMETOOLONG: exitCodes.socketPath,
};

function die(error: unknown): never {
  const code = exitCodeOf[(error as { code?: string }).code ?? ''] ?? exitCodes.failed;
  const message = escapeControls(error instanceof Error ? error.message : String(error));
  const hint = code === exitCodes.noDaemon ? '; is kvm-audiod running?' : '';
  console.error(`kvm-audioctl: ${message}${hint}`);
  process.exit(code);
}

function refuseUsage(message: string): never {
  const text = escapeControls(message.trim().replace(/\s*\n\s*/g, '; '));
  console.error(`kvm-audioctl: ${text} (--help shows how)`);
  process.exit(exitCodes.usage);
}

async function main(argv: string[]): Promise<void> {
  await yargs(argv)
    .scriptName('kvm-audioctl')
    .usage('$0 <command>\n\nAsks the kvm-audio daemon.')
    .command(statusCommand)
    .command(bridgeCommand)
    .command(latencyCommand)
    .command(qualityCommand)
    .command(demoCommand)
    .demandCommand(1, 'a command is missing')
    .strict()
    .epilogue('KVM_AUDIO_RUNTIME_DIR says where the sockets are.')
    .parserConfiguration({ 'duplicate-arguments-array': false })
    .fail((message, error) => (message ? refuseUsage(message) : die(error)))
    .parseAsync();
}

guardStandardStreams();
await main(process.argv.slice(2)).catch(die);
