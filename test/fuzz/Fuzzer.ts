import { type Role, type SocketName, socketPath } from '@kvm-audio/protocol';
import type { Random } from '../helpers/random.js';
import { FuzzClient, type Outcome, outcomes } from './FuzzClient.js';
import { badMessage, goodMessage, hello, ping } from './messages.js';

const roles: Record<SocketName, Role> = { input: 'sink', output: 'source', control: 'control' };
const sockets = Object.keys(roles) as SocketName[];
/** Good messages of a connection before the bad one, at most. */
const goodMax = 12;
const pingId = 0xffff_ffff;
const answerMs = 2_000;
/** Where a length announces more than comes, no answer is due. */
const incompleteMs = 5;

export type FuzzOptions = {
  runtimeFolder: string;
  random: Random;
  /** Whether output.sock is taken over; else another plays there, and the fuzzer is refused. */
  takeOver: boolean;
  /** Connections at a time. */
  atOnce: number;
};

/** Sends messages, good ones and bad ones, and keeps how the connections ended. */
export class Fuzzer {
  /** By socket, how often each outcome came. */
  readonly outcomes: Record<string, number> = {};
  sent = 0;
  bytes = 0;
  connections = 0;
  readonly #options: FuzzOptions;

  constructor(options: FuzzOptions) {
    this.#options = options;
  }

  async run(messages: number): Promise<void> {
    const lane = async (): Promise<void> => {
      while (this.sent < messages) await this.#connection();
    };
    await Promise.all(Array.from({ length: this.#options.atOnce }, lane));
  }

  async #connection(): Promise<void> {
    const { random, runtimeFolder, takeOver } = this.#options;
    const socket = sockets[random.integer(0, 2)] as SocketName;
    const client = new FuzzClient(socketPath(runtimeFolder, socket));
    this.connections += 1;
    // A few say no hello.
    const greets = !random.chance(0.1);
    const messages = greets ? [hello(roles[socket], takeOver)] : [];
    const audio = socket !== 'input';
    for (let i = random.integer(0, goodMax); i > 0 && greets; i--) {
      messages.push(goodMessage(random, audio));
    }
    messages.push(badMessage(random, audio));
    this.sent += messages.length;
    for (const part of pieces(Buffer.concat([...messages, ping(pingId)]), random)) {
      this.bytes += part.length;
      client.send(part);
      if (random.chance(0.1)) await new Promise((resolve) => setImmediate(resolve));
    }
    const outcome = await this.#outcome(client);
    const key = `${socket}: ${outcome}`;
    this.outcomes[key] = (this.outcomes[key] ?? 0) + 1;
    client.destroy();
  }

  async #outcome(client: FuzzClient): Promise<Outcome> {
    const over = (): boolean => client.closed || client.isAnswered(pingId);
    if (await client.until(over, incompleteMs)) {
      return client.closed ? client.outcome : outcomes.open;
    }
    // Whatever the length was, this is more: now there is an answer, or a close.
    client.send(Buffer.alloc(65_540, 0xff));
    if (!(await client.waitForClose(answerMs))) return outcomes.waiting;
    return client.outcome;
  }
}

/** The bytes whole, or cut into a few pieces. */
function pieces(bytes: Buffer, random: Random): Buffer[] {
  if (random.chance(0.7)) return [bytes];
  const cuts = Array.from({ length: random.integer(1, 4) }, () => random.integer(0, bytes.length));
  const edges = [0, ...cuts.sort((a, b) => a - b), bytes.length];
  return edges.slice(1).map((end, i) => bytes.subarray(edges[i], end));
}
