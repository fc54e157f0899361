import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { VirtualCard } from '../helpers/VirtualCard.js';

export type Cards = {
  folder: string;
  inputCard: VirtualCard;
  outputCard: VirtualCard;
  remove(): void;
};

/** Two cards of one's own, in memory: on a disk they would stall with the disk. */
export function makeCards(): Cards {
  const folder = mkdtempSync('/dev/shm/kvma-');
  return {
    folder,
    inputCard: new VirtualCard('a', join(folder, 'cards')),
    outputCard: new VirtualCard('b', join(folder, 'cards')),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
