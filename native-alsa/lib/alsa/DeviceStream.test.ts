import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  closeAll,
  commit,
  openCapture,
  openPlayback,
  startCapture,
  startPlayback,
} from '../../test/streams.js';
import { deviceThreads, pattern, until, VirtualCard } from '../../test/VirtualCard.js';
import type { AlsaError } from '../alsa.js';

jest.setTimeout(60_000);

const childScript = fileURLToPath(new URL('../../test/child.js', import.meta.url));

let card: VirtualCard;

beforeEach(async () => {
  card = new VirtualCard();
  await card.control('create');
});

afterEach(async () => {
  await closeAll();
  card.remove();
});

async function errorOf(opening: Promise<unknown>): Promise<AlsaError> {
  return opening.then(
    () => {
      throw new Error('it was opened');
    },
    (error: AlsaError) => error,
  );
}

/** A Node process that opens both directions of the card; see test/child.js. */
async function openInChild(ending: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, [childScript, card.device, ending], {
    env: card.env,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  return child;
}

test('`opened` tells what was negotiated', async () => {
  const { negotiated } = await openCapture(card.device);
  expect(negotiated).toMatchObject({ rate: 48_000, channels: 2, format: 'S16_LE' });
  expect(negotiated!.bufferFrames).toBeGreaterThanOrEqual(negotiated!.periodFrames * 2);
  expect(negotiated!.cardName).not.toBe('');
});

test('a capture without a clock of its own is refused, and takes no CPU for long', async () => {
  const recorder = startCapture('null', {});
  await until(() => recorder.error !== undefined);
  expect(recorder.error).toMatchObject({ code: 'ALSA_IO', deviceGone: false });
  expect(recorder.error?.message).toContain('it gives sound many times faster than it lasts');
});

test('a card that is not there is gone, and may come back', async () => {
  const error = await errorOf(openCapture('hw:31'));
  expect(error.message).toContain('ALSA device "hw:31": the card is not there: ');
  expect(error).toMatchObject({
    name: 'AlsaError',
    code: 'ALSA_DEVICE_GONE',
    call: 'snd_pcm_open',
    device: 'hw:31',
    errnoName: 'ENOENT',
    errno: 2,
    deviceGone: true,
    retryable: true,
  });
});

test.each(['hw:Gadget', 'plughw:Gadget', 'default:CARD=Gadget', 'front:CARD=Gadget'])(
  'a card that is not plugged in has no wrong name (%s)',
  async (device) => {
    const error = await errorOf(openCapture(device));
    expect(error.code).not.toBe('ALSA_UNKNOWN_PCM');
  },
);

test.each([
  ['no_such_pcm', 'Unknown PCM no_such_pcm'],
  ['plug:no_such_pcm', 'Unknown PCM no_such_pcm'],
  ['hw:foo=bar', 'Unknown parameter foo'],
  ['hw:0,0,0,0', 'Unknown parameter 3'],
  ['plughw:0,x', 'Parameter DEV must be an integer'],
  ["plug:'hw:0,x'", 'Parameter DEV must be an integer'],
  ['hw:32', 'Cannot get card index for 32'],
  ['default:32', "cannot find card '32'"],
])('a name that ALSA does not know (%s) is no card that may come back', async (device, detail) => {
  const error = await errorOf(openPlayback(device));
  expect(error).toMatchObject({
    code: 'ALSA_UNKNOWN_PCM',
    deviceGone: false,
    retryable: false,
    detail,
  });
  expect(error.message).toContain(`ALSA device "${device}": ${detail} (snd_pcm_open: `);
});

test('a card that has nothing to convert from is refused, with what it offers', async () => {
  await card.control('remove');
  await card.control('create', '--format', 'FLOAT_LE');
  const error = await errorOf(openCapture(card.device));
  expect(error).toMatchObject({
    code: 'ALSA_PARAMS_REFUSED',
    errnoName: 'EINVAL',
    retryable: false,
  });
  expect(error.message).toContain(
    'formats S16_LE, S32_LE, S24_LE and S24_3LE are refused; it offers FLOAT_LE ' +
      '(snd_pcm_hw_params_test_format: EINVAL)',
  );
});

test('a refused real-time priority is reported and is no failure', async () => {
  const { negotiated } = await openCapture(card.device, { schedFifoPriority: 3 });
  // Who may have it gets it, who may not is told.
  expect([undefined, 'SCHED_FIFO 3 was refused: EPERM']).toContain(negotiated!.priorityError);
});

test.each(['ENODEV', 'EBADFD'])('an unplugged card is gone, for all streams (%s)', async (name) => {
  const recorder = await openCapture(card.device);
  const player = await openPlayback(card.device);
  commit(player.playback, pattern(2_880));
  await until(() => recorder.heard.length > 0 && player.playback.counters().streaming === 1);
  await card.control('unplug', '--errno', name);
  await until(() => recorder.error !== undefined && player.error !== undefined);
  for (const error of [recorder.error, player.error]) {
    expect(error).toMatchObject({ code: 'ALSA_DEVICE_GONE', errnoName: name, deviceGone: true });
  }
  // The threads have ended; a new open finds the card once it is back.
  await until(() => deviceThreads() === 0);
  await card.control('replug');
  const again = await openCapture(card.device);
  await until(() => again.heard.length > 2);
});

test('an idle playback notices the unplug too', async () => {
  const player = await openPlayback(card.device);
  await card.control('unplug');
  await until(() => player.error !== undefined);
  expect(player.error!.deviceGone).toBe(true);
  expect(await player.playback.close(1_000)).toBe('joined');
});

test('close() before the device is open is no error', async () => {
  const recorder = startCapture(card.device, {});
  const player = startPlayback(card.device);
  const closing = [recorder.capture.close(2_000), player.playback.close(2_000)];
  expect(await Promise.all(closing)).toEqual(['joined', 'joined']);
  expect([recorder.negotiated, player.negotiated]).toEqual([undefined, undefined]);
});

test('a hundred streams leave no thread and no file behind', async () => {
  const cycle = async (): Promise<void> => {
    const { capture } = await openCapture(card.device);
    const { playback } = await openPlayback(card.device);
    commit(playback, pattern(480));
    expect(await Promise.all([capture.close(5_000), playback.close(5_000)])).toEqual([
      'joined',
      'joined',
    ]);
  };
  for (let i = 0; i < 10; i++) await cycle();
  const files = readdirSync('/proc/self/fd').length;
  const kilobytes = process.memoryUsage().rss / 1024;
  for (let i = 0; i < 40; i++) await cycle();
  await until(() => deviceThreads() === 0);
  expect(readdirSync('/proc/self/fd').length).toBeLessThanOrEqual(files);
  expect(process.memoryUsage().rss / 1024 - kilobytes).toBeLessThan(64 * 1024);
});

test('a call that hangs is seen from JavaScript, and close() does not wait for it', async () => {
  const { capture } = await openCapture(card.device);
  const { playback } = await openPlayback(card.device);
  await until(() => capture.counters().framesRead > 0);
  await card.control('hang', 'on');
  await until(() => capture.counters().inCallSinceUs > 0);
  const since = capture.counters().inCallSinceUs;
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(capture.counters().inCallSinceUs).toBe(since);
  const results = await Promise.all([capture.close(100), playback.close(100)]);
  expect(results).toEqual(['abandoned', 'abandoned']);
  expect(capture.peek()).toBeUndefined();
  // What was left behind ends by itself once the kernel lets it.
  await card.control('hang', 'off');
  await until(() => deviceThreads() === 0);
});

test('a process ends with its devices open', async () => {
  const child = await openInChild('exit');
  child.stdin!.write('now');
  expect(await once(child, 'exit')).toEqual([7, null]);
  expect((await card.status()).capture.open).toBe(false);
});

test('a process ends although a call hangs', async () => {
  const child = await openInChild('exit');
  await card.control('hang', 'on');
  child.stdin!.write('now');
  expect(await once(child, 'exit')).toEqual([7, null]);
});

test('an open stream keeps the process alive', async () => {
  const child = await openInChild('fall-through');
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(child.exitCode).toBeNull();
  child.kill('SIGKILL');
  await once(child, 'exit');
});

test('a worker thread ends with its devices open, and they are free again', async () => {
  const child = await openInChild('worker');
  expect(await once(child, 'exit')).toEqual([0, null]);
});

test('a process that was stopped goes on', async () => {
  const recorder = await openCapture(card.device, { bufferFrames: 9_600 });
  const player = await openPlayback(card.device);
  commit(player.playback, pattern(2_880));
  await until(() => recorder.heard.length > 2 && player.playback.counters().streaming === 1);
  const pid = process.pid;
  const script = `kill -STOP ${pid}; sleep 0.4; kill -CONT ${pid}`;
  spawn('sh', ['-c', script], { stdio: 'ignore' });
  await until(() => recorder.heard.some(({ discontinuity }) => discontinuity));
  const heard = recorder.heard.length;
  commit(player.playback, pattern(2_880));
  await until(() => recorder.heard.length > heard + 5);
  await until(() => player.playback.counters().framesPlayed === 5_760);
  expect(recorder.capture.counters().xruns).toBeGreaterThanOrEqual(1);
  expect([recorder.error, player.error]).toEqual([undefined, undefined]);
});
