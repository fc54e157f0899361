import { spawn } from 'node:child_process';
import { chmodSync, existsSync, readFileSync } from 'node:fs';
import {
  Connection,
  type ConnectionHandlers,
  decodeMessage,
  encodeMessage,
  isAudioPacket,
  type Message,
  NodeStream,
  ProtocolError,
  ReceiveBuffer,
  sayHello,
  socketPath,
} from '@kvm-audio/protocol';
import { TestDaemon } from '../helpers/TestDaemon.js';
import { waitFor } from '../helpers/waitFor.js';

const quiet: ConnectionHandlers = {
  onRequest: () => null,
  onNotification: () => undefined,
  onPacket: () => undefined,
  onClose: () => undefined,
};

/** Connects, says hello, goes. @returns `welcome`, or the code of what went wrong. */
async function greet(path: string, role: 'sink' | 'source'): Promise<string> {
  const stream = NodeStream.connect(path);
  const connection = new Connection(stream, quiet);
  try {
    await stream.connected();
    await sayHello(connection, { role, client: 'test' });
    return 'welcome';
  } catch (error) {
    return error instanceof ProtocolError ? error.code : String((error as { code?: string }).code);
  } finally {
    connection.destroy();
  }
}

describe('a data socket', () => {
  let daemon: TestDaemon;
  beforeEach(async () => {
    daemon = await TestDaemon.start();
  });
  afterEach(() => daemon.discard());

  it('refuses nobody while its pipeline is killed with -9 under 200 connecting clients', async () => {
    const path = socketPath(daemon.runtimeFolder, 'input');
    const answers = new Map<string, number>();
    let going = true;
    const client = async (): Promise<void> => {
      while (going) {
        const answer = await greet(path, 'sink');
        answers.set(answer, (answers.get(answer) ?? 0) + 1);
      }
    };
    const clients = Array.from({ length: 200 }, client);
    for (let death = 1; death <= 2; death++) {
      const before = answers.get('welcome') ?? 0;
      await waitFor('clients that are served', () => (answers.get('welcome') ?? 0) > before + 200);
      const { input } = await daemon.status();
      process.kill(input.pid as number, 'SIGKILL');
      await daemon.waitForStatus(
        'running again',
        (now) => now.input.restarts === death && now.input.state === 'running',
      );
    }
    const before = answers.get('welcome') ?? 0;
    await waitFor('clients that are served', () => (answers.get('welcome') ?? 0) > before + 200);
    going = false;
    await Promise.all(clients);
    // The killed process cuts off those that it had accepted; at most 64 are served at a time.
    const harmless = ['welcome', 'TOO_MANY_CLIENTS', 'CONNECTION_CLOSED'];
    expect([...answers.keys()].filter((answer) => !harmless.includes(answer))).toEqual([]);
    expect(answers.get('CONNECTION_CLOSED') ?? 0).toBeLessThanOrEqual(2 * 200);
    await daemon.stop();
  });

  it('says PIPELINE_UNAVAILABLE where nobody will accept, and serves again afterwards', async () => {
    // Each death doubles the wait: 0.2, 0.4, 0.8, 1.6, 3.2, 6.4 s.
    for (let deaths = 0; deaths < 6; deaths++) {
      const { output } = await daemon.waitForStatus('running', (s) => s.output.state === 'running');
      process.kill(output.pid as number, 'SIGKILL');
      await daemon.waitForStatus('death', (s) => s.output.pid !== output.pid);
    }
    const path = socketPath(daemon.runtimeFolder, 'output');
    const stream = NodeStream.connect(path);
    const connection = new Connection(stream, quiet);
    const error = await sayHello(connection, { role: 'source', client: 'test' }).catch((e) => e);
    expect(error).toMatchObject({
      code: 'PIPELINE_UNAVAILABLE',
      retryable: true,
      data: { state: 'backoff', reason: 'killed by SIGKILL' },
    });
    expect(error.data.retryAfterMs).toBeGreaterThan(0);
    await daemon.waitForStatus('running', (s) => s.output.state === 'running');
    await waitFor('a welcome', async () => (await greet(path, 'source')) === 'welcome');
    await daemon.stop();
  });
});

describe('the processes', () => {
  it('keep sound libraries out of the supervisor', async () => {
    const daemon = await TestDaemon.start();
    try {
      const map = (pid: number): string => readFileSync(`/proc/${pid}/maps`, 'utf8');
      const { input } = await daemon.status();
      expect(map(input.pid as number)).toMatch(/libasound/);
      expect(map(input.pid as number)).toMatch(/libopus/);
      expect(map(daemon.pid)).not.toMatch(/libasound|libopus|speexdsp|alsa\.node|opus\.node/);
      await daemon.stop();
    } finally {
      await daemon.discard();
    }
  });

  it('end with their supervisor, also those that are stopped', async () => {
    const daemon = await TestDaemon.start();
    try {
      const { input, output } = await daemon.status();
      const pids = [input.pid, output.pid] as number[];
      for (const pid of pids) process.kill(pid, 'SIGSTOP');
      await daemon.kill();
      const stateOf = (pid: number): string | undefined =>
        existsSync(`/proc/${pid}/stat`)
          ? /\) (\w)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1]
          : undefined;
      await waitFor('the end of both', () =>
        pids.every((pid) => [undefined, 'Z', 'X'].includes(stateOf(pid))),
      );
    } finally {
      await daemon.discard();
    }
  });
});

/** Sends bytes to a socket as another user, and prints what comes back until it is closed. */
const asAnother = `
  const socket = require('net').connect(process.argv[1]);
  socket.on('data', (bytes) => process.stdout.write(bytes));
  socket.on('error', (error) => { console.error(error.code); });
  socket.on('end', () => process.exit());
  setTimeout(() => process.exit(), 20_000);
  socket.write(Buffer.from(process.argv[2], 'hex'));
`;

async function askAs(
  user: { uid: number; gid: number },
  path: string,
  messages: Message[],
): Promise<Message[]> {
  const bytes = messages.map((message) => {
    const { buffer, length } = encodeMessage(message);
    return buffer.bytes.subarray(0, length).toString('hex');
  });
  const child = spawn(process.execPath, ['-e', asAnother, path, bytes.join('')], {
    ...user,
    cwd: '/',
    env: {},
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const receive = new ReceiveBuffer();
  const answers: Message[] = [];
  child.stdout.on('data', (chunk: Buffer) =>
    receive.feed(chunk, (body, start, end) => {
      if (!isAudioPacket(body, start, end)) answers.push(decodeMessage(body, start, end));
      if (answers.length === messages.length) child.kill();
    }),
  );
  await new Promise((resolve) => child.once('close', resolve));
  return answers;
}

const nobody = { uid: 65_534, gid: 65_534 };
const named = { uid: 4_242, gid: 4_242 };

function whoMay(): void {
  let daemon: TestDaemon;
  beforeAll(async () => {
    daemon = await TestDaemon.start({
      config: { clients: { uids: [named.uid] }, control: { uids: [named.uid] } },
    });
    chmodSync(daemon.folder, 0o711);
  });
  afterAll(() => daemon.discard());

  const hello = (role: string): Message => ({
    kind: 'request',
    id: 1,
    method: 'hello',
    params: { protocol: 1, role, client: 'test' },
  });
  const set: Message = {
    kind: 'request',
    id: 2,
    method: 'quality.set',
    params: { direction: 'input', level: 'high' },
  };
  const get: Message = { kind: 'request', id: 3, method: 'status.get', params: null };

  it.each(['input', 'output', 'control'] as const)('use %s is not anybody', async (name) => {
    const role = { input: 'sink', output: 'source', control: 'control' }[name];
    const answers = await askAs(nobody, socketPath(daemon.runtimeFolder, name), [hello(role)]);
    expect(answers).toMatchObject([
      {
        kind: 'notification',
        method: 'error',
        params: { code: 'FORBIDDEN', data: { uid: 65_534 } },
      },
    ]);
  });

  it.each(['input', 'output'] as const)('use %s is whom the configuration names', async (name) => {
    const role = { input: 'sink', output: 'source' }[name];
    const answers = await askAs(named, socketPath(daemon.runtimeFolder, name), [hello(role)]);
    expect(answers[0]).toMatchObject({ kind: 'response', id: 1, error: null });
  });

  it('look is the daemon’s group too, but it changes nothing', async () => {
    const group = { uid: nobody.uid, gid: process.getgid?.() ?? 0 };
    const path = socketPath(daemon.runtimeFolder, 'control');
    const answers = await askAs(group, path, [hello('control'), set, get]);
    expect(answers.find((m) => m.kind === 'response' && m.id === 1)).toMatchObject({ error: null });
    expect(answers.find((m) => m.kind === 'response' && m.id === 2)).toMatchObject({
      error: { code: 'FORBIDDEN' },
    });
    expect(answers.find((m) => m.kind === 'response' && m.id === 3)).toMatchObject({ error: null });
    expect((await daemon.status()).input.level).toBe('medium');
  });

  it('change something is whom control.uids names', async () => {
    const path = socketPath(daemon.runtimeFolder, 'control');
    const answers = await askAs(named, path, [hello('control'), set]);
    expect(answers.find((m) => m.kind === 'response' && m.id === 2)).toMatchObject({ error: null });
    expect((await daemon.status()).input.level).toBe('high');
  });
}

// Only root can be another user. The rules themselves are tested for all in access.test.ts.
if (process.getuid?.() === 0) describe('who may', whoMay);
