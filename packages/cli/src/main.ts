import { escapeControls } from '@kvm-audio/protocol';
import yargs, { type Argv } from 'yargs';
import { bridgeCommand } from './commands/bridge.js';
import { demoCommand } from './commands/demo.js';
import { latencyCommand } from './commands/latency.js';
import { metricsCommand } from './commands/metrics.js';
import { qualityCommand, setPositionals } from './commands/quality.js';
import { statusCommand } from './commands/status.js';
import { guardStandardStreams } from './standardStreams.js';
import { commandMissing, usageText } from './usageText.js';
import { wrongFlag } from './wrongFlag.js';

/** As in sysexits.h. */
const exitCodes = { failed: 1, usage: 64, noDaemon: 69, taken: 75, forbidden: 77, socketPath: 78 };

const exitCodeOf: Record<string, number> = {
  AUDIO_ALREADY_RUNNING: exitCodes.taken,
  CONNECTION_CLOSED: exitCodes.noDaemon,
  FORBIDDEN: exitCodes.forbidden,
  ENAMETOOLONG: exitCodes.socketPath,
};

const hintOf: Record<string, string> = {
  AUDIO_ALREADY_RUNNING: '; --takeover takes its place',
  CONNECTION_CLOSED: '; is kvm-audiod running, with the same KVM_AUDIO_RUNTIME_DIR?',
};

function die(error: unknown): never {
  const { code = '' } = error as { code?: string };
  const message = escapeControls(error instanceof Error ? error.message : String(error));
  console.error(`kvm-audioctl: ${message}${hintOf[code] ?? ''}`);
  process.exit(exitCodeOf[code] ?? exitCodes.failed);
}

/** What the parser knows of the command that it is at. Its declarations leave it out. */
type ParserOptions = { key: Record<string, unknown>; boolean: readonly string[] };
type WithOptions = { getOptions(): ParserOptions };

function optionsOf(parser: Argv): ParserOptions {
  return (parser as Argv & WithOptions).getOptions();
}

function refuseUsage(message: string, argv: readonly string[], parser: Argv): never {
  const known = Object.keys(optionsOf(parser).key);
  const text = usageText(message, argv, setPositionals, known);
  console.error(`kvm-audioctl: ${escapeControls(text)} (--help shows how)`);
  process.exit(exitCodes.usage);
}

async function main(argv: string[]): Promise<void> {
  const parser = yargs(argv);
  await parser
    .scriptName('kvm-audioctl')
    .locale('en')
    .alias('help', 'h')
    .usage('$0 <command>\n\nAsks the kvm-audio daemon.')
    .command(statusCommand)
    .command(bridgeCommand)
    .command(latencyCommand)
    .command(metricsCommand)
    .command(qualityCommand)
    .command(demoCommand)
    .demandCommand(1, commandMissing)
    .check(() => wrongFlag(argv, optionsOf(parser).boolean) ?? true)
    .strict()
    // Only where there are commands; all others turn it off, and call it an argument.
    .strictCommands()
    // The wrapping breaks within words.
    .wrap(null)
    .epilogue('KVM_AUDIO_RUNTIME_DIR says where the sockets are.')
    .parserConfiguration({
      'duplicate-arguments-array': false,
      // Else an unknown --a-b is told as aB too.
      'camel-case-expansion': false,
    })
    // Help and version are said as all else is: whether they could be written is known later.
    .exitProcess(false)
    .fail((message, error) => (message ? refuseUsage(message, argv, parser) : die(error)))
    .parseAsync();
}

guardStandardStreams();
await main(process.argv.slice(2)).catch(die);
