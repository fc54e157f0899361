import { usual } from '../../test/streams.js';
import { PcmCapture, type PcmEvents, type PcmOptions, PcmPlayback } from '../alsa.js';

const events: PcmEvents = { opened: () => {}, wake: () => {}, failed: () => {} };

function refusal(
  options: Partial<PcmOptions>,
  Kind: typeof PcmCapture | typeof PcmPlayback,
): string {
  try {
    void new Kind({ ...usual, device: 'null', ...options }, events);
  } catch (error) {
    return (error as Error).message;
  }
  return 'nothing';
}

test.each([
  [{ rate: 3_999 }, 'rate = 3999 is not a whole number from 4000 to 192000'],
  [{ cardRate: 200_000 }, 'cardRate = 200000 is not a whole number from 4000'],
  [{ channels: 3 }, 'channels = 3 is not a whole number from 1 to 2'],
  [{ periodFrames: 0.5 }, 'periodFrames = 0.5 is not'],
  [{ bufferFrames: 239 }, 'bufferFrames = 239 is not a whole number from 240'],
  [{ slotFrames: 2_881 }, 'slotFrames = 2881 is not a whole number from 1 to 2880'],
  [{ slotCount: 1_025 }, 'slotCount = 1025 is not'],
  [{ slotFramesMax: Number.NaN }, 'slotFramesMax = NaN is not'],
  [{ schedFifoPriority: 100 }, 'schedFifoPriority = 100 is not'],
  [{ device: '' }, 'device = "" is not a PCM name'],
])('a capture with %j is refused by name, value and bound', (options, message) => {
  expect(refusal(options, PcmCapture)).toContain(message);
});

test.each([
  [{ guardFrames: -1 }, 'guardFrames = -1 is not a whole number from 0'],
  [{ lowWaterFrames: 1.5 }, 'lowWaterFrames = 1.5 is not'],
  [{ startSilenceFrames: Infinity }, 'startSilenceFrames = Infinity is not'],
])('a playback with %j is refused by name, value and bound', (options, message) => {
  expect(refusal(options, PcmPlayback)).toContain(message);
});
