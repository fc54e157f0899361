import { existsSync, type FSWatcher, watch } from 'node:fs';
import { basename, dirname } from 'node:path';

/** Things that change at once are told once. */
const settleMs = 5;

/**
 * Tells when something changes in a folder: a file that comes, goes, or changes its owner or mode,
 * such as a sound card's node in /dev/snd that udev gives to somebody. A folder that is not there
 * yet is waited for. What cannot be watched is not, and nobody is told.
 */
export class FolderWatch {
  readonly #onChange: () => void;
  readonly #watchers = new Map<string, FSWatcher>();
  #timer: NodeJS.Timeout | undefined;

  constructor(folders: readonly string[], onChange: () => void) {
    this.#onChange = onChange;
    for (const folder of folders) this.#watch(folder);
  }

  /** Idempotent. */
  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  #watch(folder: string): void {
    this.#watchers.get(folder)?.close();
    this.#watchers.delete(folder);
    const there = existsSync(folder);
    try {
      const watcher = watch(there ? folder : dirname(folder), { persistent: false });
      this.#watchers.set(folder, watcher);
      watcher.on('change', (_event, name) => {
        if (!there && name === basename(folder)) this.#watch(folder);
        if (there || name === basename(folder)) this.#tell();
      });
      watcher.on('error', () => watcher.close());
    } catch {
      // Neither the folder nor its parent, or no more watches: see above.
    }
  }

  #tell(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#onChange();
    }, settleMs);
  }
}
