import { chmodSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { waitFor } from '../../../test/helpers/waitFor.js';
import { FolderWatch } from './FolderWatch.js';

let folder: string;
let watch: FolderWatch | undefined;
let changes: number;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kvma-'));
  changes = 0;
});
afterEach(() => {
  watch?.close();
  watch = undefined;
  rmSync(folder, { recursive: true, force: true });
});

function open(...folders: string[]): void {
  watch = new FolderWatch(folders, () => {
    changes += 1;
  });
}

/** After `act`; until it was told again, as a watch needs a moment to see. */
async function toldOf(act: () => void): Promise<void> {
  const before = changes;
  act();
  await waitFor('change that is told', () => changes > before);
}

describe('a watch', () => {
  test('tells of a device node that comes, changes its owner or mode, and goes', async () => {
    open(folder);
    const node = join(folder, 'pcmC0D0p');
    await toldOf(() => writeFileSync(node, ''));
    await toldOf(() => chmodSync(node, 0o660));
    await toldOf(() => utimesSync(node, 1, 1));
    await toldOf(() => rmSync(node));
  });

  test('waits for a folder that is not there yet', async () => {
    const later = join(folder, 'snd');
    open(later);
    await toldOf(() => mkdirSync(later));
    await toldOf(() => writeFileSync(join(later, 'controlC0'), ''));
  });

  test('looks into several folders, and past those that cannot be watched', async () => {
    const other = join(folder, 'other');
    mkdirSync(other);
    open('/no/such/folder/at/all', other);
    await toldOf(() => writeFileSync(join(other, 'card'), ''));
  });

  test('tells once what happens at once', async () => {
    open(folder);
    await toldOf(() => {
      for (let i = 0; i < 50; i++) writeFileSync(join(folder, `card${i}`), '');
    });
    expect(changes).toBeLessThan(10);
  });

  test('tells nothing any more when it is closed', async () => {
    open(folder);
    writeFileSync(join(folder, 'card'), '');
    watch?.close();
    const after = new FolderWatch([folder], () => {
      changes += 100;
    });
    await toldOf(() => writeFileSync(join(folder, 'other'), ''));
    after.close();
    expect(changes % 100).toBe(0);
  });
});
