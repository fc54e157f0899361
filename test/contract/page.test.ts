import { readFileSync } from 'node:fs';
import {
  AudioPacketReader,
  controlChecks,
  decodeMessage,
  dropPlaces,
  encodeMessage,
  errorCodes,
  isAudioPacket,
  type Message,
  ProtocolError,
  type SocketName,
  socketPath,
} from '@kvm-audio/protocol';
import { inRepository } from '../helpers/repository.js';
import { TestDaemon } from '../helpers/TestDaemon.js';
import { WireClient } from '../helpers/WireClient.js';
import { waitFor } from '../helpers/waitFor.js';
import { wireBytes } from '../helpers/wireBytes.js';
import { fieldsOf, packetBytes, packetToBody } from './vectors.js';

const page = readFileSync(inRepository('docs/protocol.md'), 'utf8');

type Line = { from: 'client' | 'server'; bytes: Buffer; message: Message | 'audio' };

function read(bytes: Buffer): Message | 'audio' {
  return isAudioPacket(bytes, 4, bytes.length) ? 'audio' : decodeMessage(bytes, 4, bytes.length);
}

/** The exchange on one socket, as the page has it. */
function exchange(socket: SocketName): Line[] {
  const block = new RegExp(`^\`\`\`hex ${socket}\\n([^\`]*)\`\`\`$`, 'm').exec(page)?.[1] ?? '';
  return block
    .split(/^(?=[<>])/m)
    .filter((text) => text !== '')
    .map((text) => {
      const bytes = wireBytes(text.slice(1));
      // What is malformed on purpose is the client's.
      const from = text.startsWith('>') ? 'client' : 'server';
      const bare = from === 'client' && bytes.length === 5;
      return { from, bytes, message: bare ? 'audio' : read(bytes) };
    });
}

const blocks: SocketName[] = ['input', 'control', 'output'];
const lines = blocks.flatMap(exchange);
const written = (line: Line): string =>
  line.message === 'audio' ? rewritten(line.bytes) : bytesOf(line.message).toString('hex');

function bytesOf(message: Message): Buffer {
  const { buffer, length } = encodeMessage(message);
  return buffer.bytes.subarray(0, length);
}

function rewritten(bytes: Buffer): string {
  const packet = new AudioPacketReader().read(bytes, 4, bytes.length);
  return packetBytes(packetToBody(packet)).toString('hex');
}

describe('the page about the protocol', () => {
  test('has its exchange in bytes as the codec writes them', () => {
    expect(lines).toHaveLength(18);
    const whole = lines.filter(({ bytes }) => bytes.length > 5);
    expect(whole.map(written)).toEqual(whole.map(({ bytes }) => bytes.toString('hex')));
  });

  test('names every error code, and whether it may be tried again', () => {
    const rows = [...page.matchAll(/^\| `([A-Z_]+)` \| (yes|no) \|/gm)].map(([, code, again]) => [
      code,
      again === 'yes',
    ]);
    const wanted = errorCodes.map((code) => [code, new ProtocolError(code, '').retryable]);
    const once = new Map(rows.map((row) => [row[0], row]));
    expect([...once.values()].sort()).toEqual(wanted.sort());
    for (const row of rows) expect(row).toEqual(once.get(row[0]));
  });

  test.each(Object.keys(controlChecks))('has a row for the method %s', (method) =>
    expect(page).toContain(`\n| \`${method}\` |`),
  );

  test('names every place at which audio is dropped', () => {
    expect(dropPlaces.filter((place) => !page.includes(`\`${place}\``))).toEqual([]);
  });
});

describe('a running daemon', () => {
  let daemon: TestDaemon;

  beforeAll(async () => {
    daemon = await TestDaemon.start();
  });

  afterAll(() => daemon.stop());

  /** What is the same in each run: kind, id, names, codes, and which fields there are. */
  function outline(message: Message | 'audio'): unknown {
    if (message === 'audio') return message;
    if (message.kind === 'response') {
      const { id, error, result } = message;
      return { id, code: error?.code, fields: fieldsOf(result) };
    }
    return { method: message.method, fields: fieldsOf(message.params) };
  }

  const outlines = (list: { message: Message | 'audio' }[]): unknown[] =>
    list
      .map(({ message }) => outline(message))
      .filter((one, i, all) => one !== 'audio' || all[i - 1] !== 'audio');

  /** Says what the page says, each time after the server's answer. */
  async function play(socket: SocketName): Promise<WireClient> {
    const client = await WireClient.connect(socketPath(daemon.runtimeFolder, socket));
    let answers = 0;
    for (const { from, bytes, message } of exchange(socket)) {
      if (from === 'client') client.send(bytes);
      else if (socket !== 'input' && message !== 'audio') await client.waitForMessages(++answers);
    }
    return client;
  }

  test('says what the page says', async () => {
    const sink = await play('input');
    await waitFor('audio', () => sink.received.some(({ message }) => message === 'audio'));
    const control = await play('control');
    const source = await play('output');
    await sink.waitForMessages(2);
    await source.waitForEnd();
    const sides = { input: sink, control, output: source };
    for (const socket of blocks) {
      const theirs = exchange(socket).filter(({ from }) => from === 'server');
      const count = outlines(theirs).length;
      expect(outlines(sides[socket].received).slice(0, count)).toEqual(outlines(theirs));
      sides[socket].destroy();
    }
  });
});
