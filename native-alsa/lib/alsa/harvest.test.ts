import { encoded, packetFrames } from '../../test/PlayoutBench.js';
import { PlayoutCards, patient } from '../../test/PlayoutCards.js';
import { until } from '../../test/VirtualCard.js';
import { message } from '../../test/wire.js';
import { monotonicUs } from '../alsa.js';

jest.setTimeout(60_000);

const cards = new PlayoutCards();

/** The first of `packets` is number 2. */
function packetOf(seq: number, packets: readonly Buffer[]): Buffer {
  const payload = packets[seq - 2]!;
  return message({ seq, mediaTime: seq * packetFrames, captureTimeUs: 1, flags: 0, payload });
}

describe('what was carried, told while the thread goes on,', () => {
  test('is each packet once, in the order of the stream', async () => {
    const { bench, packets } = await cards.engaged();
    expect(bench.harvest()).toEqual([]);
    bench.write(bench.next(packets[0]!));
    await bench.untilCarried(3);
    expect(bench.harvest()?.map(({ seq }) => seq)).toEqual([2]);
    for (const seq of [3, 4]) bench.write(packetOf(seq, packets));
    await bench.untilCarried(5);
    expect(bench.harvest()?.map(({ seq }) => seq)).toEqual([3, 4]);
    bench.write(packetOf(5, packets));
    await bench.untilCarried(6);
    expect(bench.disengage().map(({ seq }) => seq)).toEqual([5]);
    expect(bench.disengage()).toEqual([]);
    expect([bench.playTime, bench.rest.length]).toEqual([6 * packetFrames, 0]);
  });

  test('leaves room in the log: more packets than it has rows are carried', async () => {
    const frames = 120;
    const count = 1_300;
    const packets = encoded(50, frames);
    const bench = await cards.open(patient);
    await bench.start(packets.slice(0, 2));
    const { wakes } = bench.player;
    bench.engage();
    for (let seq = 2; seq < count; seq++) {
      const payload = packets[seq % packets.length]!;
      const mediaTime = seq * frames;
      bench.write(message({ seq, mediaTime, captureTimeUs: 1, flags: 0, payload }));
      await until(() => {
        const ahead = mediaTime - bench.player.playback.counters().framesPlayed;
        return ahead < 1_200 || bench.player.wakes > wakes;
      });
      if (seq % 400 === 0) bench.harvest();
    }
    await until(() => bench.player.playback.counters().framesPlayed >= count * frames);
    bench.disengage();
    expect(bench.path.handedOver).toBe(false);
    expect(bench.carried.map(({ seq }) => seq)).toEqual(
      Array.from({ length: count - 2 }, (_, index) => index + 2),
    );
  });

  test('says where the ring stands', async () => {
    const { bench, packets } = await cards.engaged();
    const before = bench.player.playback.playout(monotonicUs()).playedFrames;
    bench.write(bench.next(packets[0]!));
    await bench.untilCarried(3);
    bench.harvest();
    const { ringFrames, queuedFrames, playedFrames } = bench.player.playback.playout(monotonicUs());
    // All of it is in the card: patient has a buffer of a second.
    expect(ringFrames).toBe(0);
    expect(playedFrames).toBeGreaterThanOrEqual(before);
    expect(queuedFrames).toBeGreaterThan(0);
  });

  test('is followed by another time at which JavaScript is woken', async () => {
    const { bench, packets } = await cards.engaged();
    const { wakes } = bench.player;
    bench.harvest(monotonicUs());
    bench.write(bench.next(packets[0]!));
    await until(() => bench.player.wakes > wakes);
    expect(bench.harvest()?.map(({ seq }) => seq)).toEqual([2]);
    expect(bench.path.handedOver).toBe(false);
  });
});

describe('nothing is told', () => {
  test('by a thread that has handed over: it is all there when the stream is taken', async () => {
    const { bench, packets } = await cards.engaged();
    const { wakes } = bench.player;
    bench.write(bench.next(packets[0]!));
    await bench.untilCarried(3);
    const discontinuous = { mediaTime: 3 * packetFrames, captureTimeUs: 1, flags: 1 };
    bench.write(message({ seq: 3, ...discontinuous, payload: packets[1]! }));
    await until(() => bench.player.wakes > wakes);
    expect(bench.harvest()).toBeUndefined();
    expect(bench.disengage().map(({ seq }) => seq)).toEqual([2]);
    expect(bench.path.handedOver).toBe(true);
    bench.playHere();
    expect(bench.nextSeq).toBe(4);
  });

  test('where the stream is JavaScript’s', async () => {
    const { bench } = await cards.engaged();
    bench.disengage();
    expect(bench.harvest()).toBeUndefined();
  });

  test('once the stream has ended', async () => {
    const { bench } = await cards.engaged();
    await bench.player.playback.close(2_000);
    expect(bench.harvest()).toBeUndefined();
    expect(bench.disengage()).toEqual([]);
  });
});
