import {
  exitCodes,
  FatalError,
  ignoreUserSignals,
  type Log,
  prepareRuntimeFolder,
  unmapUnusedLater,
  version,
} from '@kvm-audio/daemon';
import { loadConfig } from '@kvm-audio/daemon/config';
import { createLog, stderrWriter } from '@kvm-audio/daemon/log';
import { runtimeFolder } from '@kvm-audio/protocol';
import yargs from 'yargs';
import { Supervisor } from './Supervisor.js';

/** What yargs says of the command line, on one line. */
function usageError(message: string): FatalError {
  const text = message.trim().replace(/\s*\n\s*/g, '; ');
  return new FatalError(exitCodes.configuration, `${text} (--help shows how)`);
}

function die(error: unknown): never {
  if (error instanceof FatalError) {
    process.stderr.write(`kvm-audiod: ${error.message}\n`);
    process.exit(error.exitCode);
  }
  process.stderr.write(`kvm-audiod: ${error instanceof Error ? error.stack : String(error)}\n`);
  process.exit(exitCodes.internal);
}

async function main(argv: string[]): Promise<void> {
  process.on('uncaughtException', die);
  process.on('unhandledRejection', die);
  let log: Log | undefined;
  ignoreUserSignals(() => log);
  const args = await yargs(argv)
    .scriptName('kvm-audiod')
    .usage('$0 [--config FILE.toml]\n\nOwns the sound cards, serves clients.')
    .option('config', { type: 'string', requiresArg: true, describe: 'configuration, TOML' })
    .option('until-stdin-ends', {
      type: 'boolean',
      default: false,
      describe: 'stop when standard input ends',
    })
    .strict()
    .alias('help', 'h')
    .version(version)
    .epilogue('KVM_AUDIO_RUNTIME_DIR says where the sockets are.')
    .check(({ config }) => !Array.isArray(config) || '--config is given twice')
    // Else it would be taken for false, without a word.
    .check(
      () =>
        !argv.some((arg) => /^--until-stdin-ends=(?!(true|false)$)/.test(arg)) ||
        '--until-stdin-ends must be true or false',
    )
    .fail((message, error) => die(message ? usageError(message) : error))
    .parseAsync();
  const config = loadConfig(args.config);
  const dieUnusable = ({ exitCode, message }: FatalError): never =>
    die(new FatalError(exitCode, `${args.config ?? 'defaults'}: ${message}`));
  const folder = runtimeFolder();
  const { clients, control } = config;
  prepareRuntimeFolder(folder, clients.uids.length + control.uids.length > 0);
  const writeLog = stderrWriter(config.log.format);
  const logOf = (name: string): Log => createLog(name, config.log.level, writeLog);
  log = logOf('daemon');
  // No sound passes here.
  const lookForUnused = unmapUnusedLater('supervisor', log, () => true);
  const supervisor = new Supervisor({
    config,
    runtimeFolder: folder,
    log,
    pipelineLogs: { output: logOf('output'), input: logOf('input') },
    onRound: lookForUnused,
    onUnusable: (error) => void supervisor.stop().then(() => dieUnusable(error)),
  });
  let stopping = false;
  const stop = (): void => {
    if (stopping) return;
    stopping = true;
    void supervisor.stop().then(() => process.exit(exitCodes.ok));
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop);
  if (args.untilStdinEnds) process.stdin.on('end', stop).on('error', stop).resume();
  supervisor.start();
}

await main(process.argv.slice(2));
