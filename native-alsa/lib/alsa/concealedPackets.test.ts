import {
  concealFrames,
  encoded,
  type PlayoutBench,
  packetFrames,
  soundOf,
} from '../../test/PlayoutBench.js';
import { PlayoutCards } from '../../test/PlayoutCards.js';
import { closeAll, find, joined, openCapture, type Recorder, usual } from '../../test/streams.js';
import { until } from '../../test/VirtualCard.js';
import { message } from '../../test/wire.js';
import type { PcmOptions } from '../alsa.js';

jest.setTimeout(60_000);

const cards = new PlayoutCards();

describe('what does not come in time', () => {
  /**
   * Until the machine does not stall within the half millisecond that the thread has for it.
   *
   * @param attempt whether it did not
   */
  async function unstalled(
    attempt: (bench: PlayoutBench, recorder: Recorder) => Promise<boolean>,
    ppm?: number,
    options: Partial<PcmOptions> = {},
  ): Promise<PlayoutBench> {
    for (let tries = 0; tries < 50; tries++) {
      const recorder = await openCapture(cards.card.device);
      const bench = await cards.open(options, ppm);
      if (await attempt(bench, recorder)) return bench;
      await closeAll();
    }
    throw new Error('the machine stalled in each of 50 tries');
  }

  test.each([
    ['straight', undefined],
    ['through the resampler', 300],
  ])('is made up by the thread, %s, for as long as it may be', async (_, ppm) => {
    const packets = encoded(3);
    const bench = await unstalled(async (tried, recorder) => {
      await tried.start(packets.slice(0, 2));
      const { wakes } = tried.player;
      tried.engage({ concealFramesMax: 3 * concealFrames + 1 });
      tried.write(tried.next(packets[2]!));
      // Told where it may not do more.
      await until(() => tried.player.wakes > wakes);
      const carried = tried.disengage();
      if (carried.length < 4) return false;
      const sound = soundOf(packets, ppm, 3);
      const isHeard = (): boolean => find(joined(recorder.heard), sound) >= 0;
      await until(() => isHeard() || recorder.capture.counters().xruns > 0);
      return isHeard();
    }, ppm);
    const made = bench.carried.slice(1);
    expect(made).toHaveLength(3);
    for (const { concealed, frames, queuedFrames, ringFrames } of made) {
      expect([concealed, frames, ringFrames]).toEqual([true, concealFrames, 0]);
      // Half a millisecond before the card's thread would put in silence.
      expect(queuedFrames).toBeLessThanOrEqual(usual.guardFrames + 24 + (ppm ? 32 : 1));
    }
    expect(bench.playTime).toBe(3 * packetFrames + 3 * concealFrames);
  });

  test('is made up at the low water where the source pauses, and is no underrun then', async () => {
    const lowWaterFrames = 7_200;
    const packets = encoded(2);
    const paused = async (tried: PlayoutBench): Promise<boolean> => {
      const { playback } = tried.player;
      await tried.start(packets);
      playback.setPauses(true);
      tried.engage({ concealFramesMax: 40 * concealFrames, marginFramesMax: 0 });
      await until(() => {
        const { silenceFrames, streaming } = playback.counters();
        return silenceFrames > 0 || streaming === 0;
      });
      return tried.disengage().length === 40;
    };
    const bench = await unstalled(paused, undefined, { lowWaterFrames });
    const made = bench.carried;
    const scarce = made.filter(({ queuedFrames }) => queuedFrames < lowWaterFrames / 2);
    expect(scarce.length).toBeLessThan(made.length / 2);
    expect(bench.player.playback.counters().underruns).toBe(0);
  });

  test('and comes then, is JavaScript’s', async () => {
    const packets = encoded(3);
    let bytes: Buffer = Buffer.alloc(0);
    const bench = await unstalled(async (tried) => {
      await tried.start(packets.slice(0, 2));
      bytes = tried.next(packets[2]!);
      const { wakes } = tried.player;
      const { playback } = tried.player;
      const given = 2 * packetFrames + concealFrames;
      tried.engage({ concealFramesMax: 48_000 });
      await until(() => playback.counters().framesPlayed >= given || tried.player.wakes > wakes);
      if (tried.player.wakes > wakes) return false;
      tried.write(bytes);
      await until(() => tried.player.wakes > wakes);
      // Silence of the card’s thread may have woken it too.
      const { silenceFrames } = playback.counters();
      tried.disengage();
      return silenceFrames === 0;
    });
    expect(bench.carried.every(({ concealed }) => concealed)).toBe(true);
    expect([bench.path.handedOver, bench.rest.equals(bytes)]).toEqual([true, true]);
  });

  test('is made up too while JavaScript has still to read what came in its place', async () => {
    const packets = encoded(3);
    const bench = await unstalled(async (tried) => {
      await tried.start(packets.slice(0, 2));
      const { playback } = tried.player;
      const { wakes } = tried.player;
      tried.engage({ concealFramesMax: 2 * concealFrames });
      const { nextSeq, playTime } = tried;
      tried.write(
        message({
          seq: nextSeq,
          mediaTime: playTime,
          captureTimeUs: 1,
          flags: 1,
          payload: packets[2]!,
        }),
      );
      await until(() => tried.player.wakes > wakes);
      const given = 2 * packetFrames + 2 * concealFrames;
      const { silenceFrames } = playback.counters();
      const isGiven = (): boolean => playback.counters().framesPlayed >= given;
      await until(() => {
        const now = playback.counters();
        return isGiven() || now.silenceFrames > silenceFrames || now.streaming === 0;
      });
      tried.disengage();
      return isGiven();
    });
    expect(bench.carried.map(({ concealed }) => concealed)).toEqual([true, true]);
    expect(bench.path.handedOver).toBe(true);
    expect(bench.rest.length).toBeGreaterThan(0);
  });

  test('is left alone where time has passed that the stream does not know of', async () => {
    const packets = encoded(2);
    const bench = await cards.open();
    await bench.start(packets);
    const { silenceFrames } = bench.player.playback.counters();
    const { wakes } = bench.player;
    bench.engage({ concealFramesMax: 48_000, silenceFrames: silenceFrames + 1 });
    await until(() => bench.player.wakes > wakes);
    expect(bench.disengage()).toEqual([]);
  });
});
