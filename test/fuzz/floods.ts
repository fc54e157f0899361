import { setTimeout as pause } from 'node:timers/promises';
import { limits, type Role, type SocketName, socketPath } from '@kvm-audio/protocol';
import { FuzzClient, outcomes } from './FuzzClient.js';
import { bytesOf, hello } from './messages.js';

export type Tally = Record<string, number>;
const closeMs = 8_000;

function tally(names: readonly string[]): Tally {
  const counts: Tally = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

async function endings(clients: readonly FuzzClient[]): Promise<Tally> {
  const closed = await Promise.all(clients.map((client) => client.waitForClose(closeMs)));
  const named = clients.map((client, i) => (closed[i] ? client.outcome : outcomes.open));
  for (const client of clients) client.destroy();
  return tally(named);
}

/** So many clients a second connect and say nothing. */
export async function connectFlood(
  folder: string,
  socket: SocketName,
  perSecond: number,
  seconds: number,
): Promise<Tally> {
  const clients: FuzzClient[] = [];
  const startMs = performance.now();
  while (clients.length < perSecond * seconds) {
    const due = ((performance.now() - startMs) / 1_000) * perSecond;
    while (clients.length < due) clients.push(new FuzzClient(socketPath(folder, socket)));
    await pause(1);
  }
  return endings(clients);
}

/** More clients than there is room for say a good hello. */
export async function tooMany(folder: string, socket: SocketName, role: Role): Promise<Tally> {
  const clients = Array.from(
    { length: limits.clientsMax + 8 },
    () => new FuzzClient(socketPath(folder, socket)),
  );
  for (const client of clients) client.send(hello(role, false));
  await Promise.all(clients.map((client) => client.until(() => client.isAnswered(1), 2_000)));
  await pause(200);
  const named = clients.map((client) => (client.closed ? client.outcome : outcomes.open));
  for (const client of clients) client.destroy();
  return tally(named);
}

/** Clients that send no more at once: without a word, and after a good hello. */
export async function halfOpen(folder: string, socket: SocketName, role: Role): Promise<Tally> {
  const clients = Array.from({ length: 40 }, () => new FuzzClient(socketPath(folder, socket)));
  clients.forEach((client, i) => {
    if (i % 2 === 1) client.send(hello(role, false));
    client.halfClose();
  });
  const ended = await endings(clients);
  const { [outcomes.silent]: silent = 0, ...others } = ended;
  return { [outcomes.ended]: silent, ...others };
}

/** A good hello, one byte a second. */
export async function slowHello(folder: string, socket: SocketName, role: Role): Promise<Tally> {
  const client = new FuzzClient(socketPath(folder, socket));
  for (const byte of hello(role, false)) {
    if (client.closed) break;
    client.send(Buffer.from([byte]));
    await client.waitForClose(1_000);
  }
  return endings([client]);
}

/** More requests in one piece than may wait for their answer. */
export async function manyRequests(folder: string): Promise<Tally> {
  const client = new FuzzClient(socketPath(folder, 'control'));
  const count = 3 * limits.requestsPendingMax;
  const ids = Array.from({ length: count }, (_, i) => i + 2);
  const requests = ids.map((id) =>
    bytesOf({ kind: 'request', id, method: 'quality.list', params: {} }),
  );
  client.send(Buffer.concat([hello('control', false), ...requests]));
  await client.until(() => ids.every((id) => client.isAnswered(id)), closeMs);
  const answered = ids.filter((id) => client.isAnswered(id)).length;
  client.destroy();
  return { answered, ...tally(client.codes) };
}

/** Asks and asks, and never reads an answer. */
export async function neverReads(folder: string): Promise<Tally> {
  const client = new FuzzClient(socketPath(folder, 'control'));
  client.send(hello('control', false));
  await client.until(() => client.isAnswered(1), 2_000);
  client.pause();
  const request = bytesOf({ kind: 'request', id: 2, method: 'status.get', params: {} });
  for (let i = 0; i < 50 && !client.closed; i++) {
    client.send(Buffer.concat(Array<Buffer>(40).fill(request)));
    await pause(5);
  }
  client.resume();
  return endings([client]);
}
