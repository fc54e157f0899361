import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A folder for sockets whose path is short enough for sun_path, gone when `remove` is called. */
export function makeSocketFolder(): { path(name: string): string; remove(): void } {
  const folder = mkdtempSync(join(tmpdir(), 'ka-'));
  return {
    path: (name) => join(folder, name),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

export type AcceptedPair = {
  /** As a `pauseOnConnect` server accepted it: nobody has read from it. */
  accepted: net.Socket;
  /** A plain socket at the other end. */
  peer: net.Socket;
};

/** Two ends of one Unix socket: the accepted end is for the code under test. */
export async function socketPair(path: string): Promise<AcceptedPair> {
  const server = net.createServer({ pauseOnConnect: true });
  const accepted = new Promise<net.Socket>((resolve) => server.once('connection', resolve));
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const peer = net.connect({ path });
  peer.on('error', () => undefined);
  const pair = { accepted: await accepted, peer };
  await new Promise((resolve) => server.close(resolve).unref() && resolve(undefined));
  return pair;
}
