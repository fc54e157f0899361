import {
  type ControlClient,
  type Direction,
  directions,
  type QualityEntry,
  qualityLevels,
} from '@kvm-audio/client';
import type { CommandModule } from 'yargs';
import { askDaemon, waitOption } from '../askDaemon.js';
import { choice } from '../choice.js';
import { formatTable } from '../formatStatus.js';
import { jsonOption, printAnswer } from '../printAnswer.js';

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

/** A direction whose pipeline does not run has no entry. */
function formatAnswer(
  entries: readonly QualityEntry[],
  wanted: readonly Direction[] = directions,
): string {
  const silent = wanted.filter((one) => !entries.some(({ direction }) => direction === one));
  const remarks = silent.map((one) => `${one}: no answer; kvm-audioctl status says why`);
  return [formatEntries(entries), ...(remarks.length > 0 ? ['', ...remarks] : [])].join('\n');
}

type AskArgs = { json: boolean; wait: number };

const listCommand: CommandModule<object, AskArgs> = {
  command: 'list',
  describe: 'every level of both directions',
  builder: (args) => args.strictCommands(false).options(jsonOption).options(waitOption),
  handler: async ({ json, wait }) => {
    const entries = await askDaemon((control) => control.call('quality.list', {}), wait);
    printAnswer(entries, json, formatAnswer);
  },
};

/** What `quality set` takes. */
export const setPositionals = ['<direction>', '<level>'] as const;
const [directionName, levelName] = setPositionals;

type GetArgs = AskArgs & { direction?: (typeof directions)[number] | undefined };

const getCommand: CommandModule<object, GetArgs> = {
  command: 'get [direction]',
  describe: 'the level of each direction, or of one',
  builder: (args) =>
    args
      .strictCommands(false)
      .positional('direction', choice(directionName, directions, 'only of'))
      .options(jsonOption)
      .options(waitOption),
  handler: async ({ direction, json, wait }) => {
    const params = direction === undefined ? {} : { direction };
    const get = (control: ControlClient) => control.call('quality.get', params);
    const entries = await askDaemon(get, wait);
    printAnswer(entries, json, (all) => formatAnswer(all, direction && [direction]));
  },
};

type SetArgs = AskArgs & {
  direction: (typeof directions)[number];
  level: (typeof qualityLevels)[number];
};

const setCommand: CommandModule<object, SetArgs> = {
  command: `set ${setPositionals.join(' ')}`,
  describe: 'change a level, without a gap',
  builder: (args) =>
    args
      .strictCommands(false)
      .positional('direction', {
        ...choice(directionName, directions, 'whose level'),
        demandOption: true,
      })
      .positional('level', { ...choice(levelName, qualityLevels, 'which'), demandOption: true })
      .options(jsonOption)
      .options(waitOption),
  handler: async ({ direction, level, json, wait }) => {
    const set = (control: ControlClient) => control.call('quality.set', { direction, level });
    const entry = await askDaemon(set, wait);
    printAnswer(entry, json, () => formatEntries([entry]));
  },
};

export const qualityCommand: CommandModule = {
  command: 'quality',
  describe: 'quality levels: list, get, set',
  builder: (args) =>
    args
      .command(listCommand)
      .command(getCommand)
      .command(setCommand)
      .demandCommand(1, 'a command is missing: list, get or set'),
  handler: () => undefined,
};
