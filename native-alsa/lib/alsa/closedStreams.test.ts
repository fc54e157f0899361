import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { usual } from '../../test/streams.js';
import { until, VirtualCard } from '../../test/VirtualCard.js';
import { PcmCapture, PcmPlayback } from '../alsa.js';

jest.setTimeout(60_000);

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const times = 20;
/** Of one stream: what it shares with its thread is external memory to V8. */
const ringBytes = usual.slotCount * usual.slotFramesMax * usual.channels * 2;

let card: VirtualCard;

beforeEach(async () => {
  card = new VirtualCard();
  await card.control('create');
});

afterEach(() => card.remove());

/** Opens it, waits until its thread has told how that went, and closes it. */
async function openAndClose(
  Stream: typeof PcmCapture | typeof PcmPlayback,
  device: string,
  told: 'opened' | 'failed',
): Promise<void> {
  let seen: string | undefined;
  const stream = new Stream(
    { ...usual, device },
    {
      opened: () => {
        seen = 'opened';
      },
      wake: () => {},
      failed: () => {
        seen = 'failed';
      },
    },
  );
  await until(() => seen !== undefined);
  expect(seen).toBe(told);
  expect(await stream.close(2_000)).toBe('joined');
}

test.each([
  ['playback', 'not there', PcmPlayback, 'failed'],
  ['playback', 'there', PcmPlayback, 'opened'],
  ['capture', 'not there', PcmCapture, 'failed'],
  ['capture', 'there', PcmCapture, 'opened'],
] as const)(
  '%s streams of a card that is %s are collected when they are closed',
  async (...given) => {
    const [, , Stream, told] = given;
    const device = told === 'opened' ? card.device : 'hw:31';
    for (let i = 0; i < 2; i++) await openAndClose(Stream, device, told);
    collect();
    const before = process.memoryUsage().external;
    for (let i = 0; i < times; i++) await openAndClose(Stream, device, told);
    await until(() => {
      collect();
      return process.memoryUsage().external < before + ringBytes;
    });
  },
);
