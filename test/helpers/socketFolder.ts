import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export type SocketFolder = { path(name: string): string; remove(): void };

/** A folder for sockets whose path is short enough for sun_path, gone when `remove` is called. */
export function makeSocketFolder(): SocketFolder {
  const folder = mkdtempSync(join(tmpdir(), 'ka-'));
  return {
    path: (name) => join(folder, name),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/**
 * Listens for one client, as our servers do: nobody reads before the socket is adopted.
 * @returns once it listens; `socket` resolves with the accepted end.
 */
export async function listenForOne(path: string): Promise<{ socket: Promise<net.Socket> }> {
  const server = net.createServer({ pauseOnConnect: true });
  const socket = new Promise<net.Socket>((resolve) => {
    server.once('connection', (accepted) => {
      server.close();
      resolve(accepted);
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return { socket };
}
