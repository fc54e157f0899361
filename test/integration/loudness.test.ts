import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PcmRecording, pcmFormat, playOn } from '../helpers/PcmRecording.js';
import { TestDaemon } from '../helpers/TestDaemon.js';
import type { TestProcess } from '../helpers/TestProcess.js';

const { rate, channels } = pcmFormat;
const hz = 500;
const amplitude = 8_000;
/** What the codec, and concealment, make of a tone's peaks at most. */
const loudestMax = 1.6 * amplitude;

let daemon: TestDaemon;
let player: TestProcess | undefined;
let recording: PcmRecording | undefined;

beforeEach(async () => {
  daemon = await TestDaemon.start({ config: { input: { profile: 'program' } } });
  const file = join(daemon.folder, 'tone.raw');
  const second = Int16Array.from({ length: channels * rate }, (_, i) =>
    Math.round(amplitude * Math.sin((2 * Math.PI * hz * Math.floor(i / channels)) / rate)),
  );
  writeFileSync(file, Buffer.concat(Array(120).fill(Buffer.from(second.buffer))));
  player = playOn(daemon.inputCard, file);
  await daemon.bridge();
  recording = await PcmRecording.start(daemon.outputCard, join(daemon.folder, 'heard.raw'));
});

afterEach(async () => {
  await recording?.abandon();
  await player?.stop('SIGKILL');
  player = recording = undefined;
  await daemon?.stop();
});

/** Until the output has played so many packets more than now. */
async function playOnFor(packets: number): Promise<void> {
  const played = (await daemon.status()).output.stream?.framesReceived ?? 0;
  await daemon.waitForStatus(
    `${packets} packets more`,
    ({ output }) => (output.stream?.framesReceived ?? 0) >= played + packets,
  );
}

const loudest = (pcm: Int16Array): number =>
  pcm.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);

it('an encoder that starts anew is not heard louder than what it encodes', async () => {
  await playOnFor(100);
  for (let restarts = 1; restarts <= 4; restarts++) {
    process.kill((await daemon.status()).input.pid!, 'SIGKILL');
    await daemon.waitForStatus(
      'input that was started again',
      ({ input }) => input.restarts === restarts && input.stream?.state === 'running',
    );
    await playOnFor(50);
  }
  const heard = await recording!.stop();
  expect(loudest(heard)).toBeGreaterThan(0.9 * amplitude);
  expect(loudest(heard)).toBeLessThan(loudestMax);
});
