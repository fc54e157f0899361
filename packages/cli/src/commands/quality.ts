import { directions, type QualityEntry, qualityLevels } from '@kvm-audio/client';
import type { CommandModule } from 'yargs';
import { askDaemon } from '../askDaemon.js';
import { formatTable } from '../formatStatus.js';

const heading = ['DIRECTION', 'LEVEL', 'kbps', 'Hz', 'CHANNELS', 'FRAME ms', 'APPLICATION'];

function formatEntries(entries: readonly QualityEntry[]): string {
  const rows = entries.map(({ direction, level, format }) => [
    direction,
    level,
    String(format.bitrate / 1000),
    String(format.rate),
    String(format.channels),
    String(format.frameMs),
    format.application,
  ]);
  return formatTable([heading, ...rows], [2, 3, 4, 5]);
}

const listCommand: CommandModule = {
  command: 'list',
  describe: 'every level of both directions',
  handler: async () => {
    console.log(formatEntries(await askDaemon((control) => control.call('quality.list', {}))));
  },
};

const getCommand: CommandModule = {
  command: 'get',
  describe: 'the level of each direction',
  handler: async () => {
    console.log(formatEntries(await askDaemon((control) => control.call('quality.get', {}))));
  },
};

type SetArgs = {
  direction: (typeof directions)[number];
  level: (typeof qualityLevels)[number];
};

const setCommand: CommandModule<object, SetArgs> = {
  command: 'set <direction> <level>',
  describe: 'change a level, without a gap',
  builder: (args) =>
    args
      .positional('direction', { choices: directions, demandOption: true })
      .positional('level', { choices: qualityLevels, demandOption: true }),
  handler: async ({ direction, level }) => {
    const entry = await askDaemon((control) => control.call('quality.set', { direction, level }));
    console.log(formatEntries([entry]));
  },
};

export const qualityCommand: CommandModule = {
  command: 'quality <command>',
  describe: 'quality levels: list, get, set',
  builder: (args) =>
    args.command(listCommand).command(getCommand).command(setCommand).demandCommand(1),
  handler: () => undefined,
};
