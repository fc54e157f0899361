import {
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

const prefix = 'kvm-audio-demo-';
/** In a demo's folder: whose it is. */
const ownerName = 'owner';

/** A process id means something in its own namespace only: a container may share the folder. */
const pidNamespace = (): string => readlinkSync('/proc/self/ns/pid');

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

/** Removes a folder if it is that of a demo of this user that lives no more; when in doubt it stays. */
function removeIfDead(folder: string): void {
  try {
    const stat = lstatSync(folder);
    if (!stat.isDirectory() || stat.uid !== process.getuid?.()) return;
    const [namespace, pid] = readFileSync(join(folder, ownerName), 'utf8').split('\n');
    if (namespace !== pidNamespace() || !(Number(pid) > 0) || isAlive(Number(pid))) return;
    rmSync(folder, { recursive: true, force: true });
  } catch {
    // Another demo was faster, or it has no owner yet.
  }
}

/**
 * Makes a folder for the demo that this process is. One that was killed could not remove its own:
 * the next does.
 */
export function makeDemoFolder(parent: string): string {
  for (const name of readdirSync(parent)) {
    if (name.startsWith(prefix)) removeIfDead(join(parent, name));
  }
  const folder = mkdtempSync(join(parent, prefix));
  writeFileSync(join(folder, ownerName), `${pidNamespace()}\n${process.pid}\n`);
  return folder;
}
