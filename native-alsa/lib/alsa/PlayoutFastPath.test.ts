import { readdirSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { encoded, type PlayoutBench, packetFrames, soundOf } from '../../test/PlayoutBench.js';
import { PlayoutCards, patient } from '../../test/PlayoutCards.js';
import { closeAll, find, joined, openCapture, type Recorder } from '../../test/streams.js';
import { until } from '../../test/VirtualCard.js';
import { message } from '../../test/wire.js';
import { monotonicUs, type PcmOptions } from '../alsa.js';

jest.setTimeout(60_000);

const cards = new PlayoutCards();

/** The card is full from its start on, so that the ring is too; half a second is in front of it. */
const full: Partial<PcmOptions> = { bufferFrames: 24_000, startSilenceFrames: 23_760 };

/** Arithmetic that is the same each time. */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** Writes a message in pieces, now and then. */
function writeInPieces(bench: PlayoutBench, bytes: Buffer, random: (below: number) => number) {
  const cut = random(3) === 0 ? random(bytes.length) : bytes.length;
  bench.write(bytes.subarray(0, cut));
  if (random(2) === 0) swap(bench, random);
  bench.write(bytes.subarray(cut));
}

/** Takes the stream from the thread, asks it what it has carried, or gives it. */
function swap(bench: PlayoutBench, random: (below: number) => number): void {
  if (bench.path.engaged) {
    if (random(3) > 0 && bench.harvest()) return;
    bench.disengage();
    if (random(2) === 0) bench.playHere();
  } else {
    bench.playHere();
    if (bench.rest.length === 0) bench.engage();
  }
}

function disturbed(bench: PlayoutBench, recorder: Recorder): boolean {
  const { underruns, xruns } = bench.player.playback.counters();
  return underruns + xruns + recorder.capture.counters().xruns > 0;
}

/** Plays all of it, now here, now there; ends early where the machine has stalled. */
async function playBoth(
  bench: PlayoutBench,
  packets: readonly Buffer[],
  isDisturbed: () => boolean,
  random: (below: number) => number,
): Promise<void> {
  const { playback } = bench.player;
  await bench.start(packets.slice(0, 2));
  for (let seq = 2; seq < packets.length && !isDisturbed(); seq++) {
    // The ring has room for it.
    const ahead = (): number => seq * packetFrames - playback.counters().framesPlayed;
    await until(() => ahead() < 3 * packetFrames || isDisturbed());
    const payload = packets[seq]!;
    const mediaTime = seq * packetFrames;
    writeInPieces(
      bench,
      message({ seq, mediaTime, captureTimeUs: seq, flags: 0, payload }),
      random,
    );
    for (let i = random(3); i > 0; i--) swap(bench, random);
    if (!bench.path.engaged) bench.playHere();
  }
  if (bench.path.engaged) bench.disengage();
  bench.playHere();
  playback.endOfStream();
}

describe('what the fast path plays', () => {
  test.each([
    ['straight', undefined],
    ['through the resampler', 300],
  ])('%s is bit for bit what JavaScript would have played, whoever has it when', async (_, ppm) => {
    const packets = encoded(250);
    const sound = soundOf(packets, ppm);
    const decoded = soundOf(packets);
    // Where the machine stalls for longer than the margin there is a gap: asked again.
    for (let tries = 0; tries < 20; tries++) {
      const recorder = await openCapture(cards.card.device);
      const bench = await cards.open({ ...full, slotCount: 6 }, ppm);
      const isDisturbed = (): boolean => disturbed(bench, recorder);
      await playBoth(bench, packets, isDisturbed, randomOf(7 + tries));
      await until(() => isDisturbed() || find(joined(recorder.heard), sound) >= 0);
      if (isDisturbed()) {
        await closeAll();
        continue;
      }
      expect(bench.played).toBe(packets.length);
      expect(bench.carried.length).toBeGreaterThan(10);
      expect(packets.length - bench.carried.length).toBeGreaterThan(10);
      expect(bench.history.newest).toEqual(decoded.slice(-2 * bench.history.frames));
      for (const carried of bench.carried) {
        const { seq } = carried;
        expect(carried).toMatchObject({
          mediaTime: seq * packetFrames,
          captureTimeUs: seq,
          payloadBytes: packets[seq]!.length,
          frames: packetFrames,
        });
      }
      return;
    }
    throw new Error('the machine stalled in each of 20 tries');
  });
});

describe('many packets at once', () => {
  test('are played one by one, and the card has its turn between two', async () => {
    const packets = encoded(14);
    const bench = await cards.open({
      bufferFrames: 48_000,
      startSilenceFrames: 9_600,
      slotCount: 2,
    });
    await bench.start(packets.slice(0, 2));
    bench.engage();
    // The ring has room for two of them.
    const burst = packets.slice(2).map((payload, i) => {
      const seq = bench.nextSeq + i;
      return message({ seq, mediaTime: seq * packetFrames, captureTimeUs: seq, flags: 0, payload });
    });
    bench.write(Buffer.concat(burst));
    await bench.untilCarried(14);
    expect(bench.disengage()).toHaveLength(12);
    expect(bench.path.handedOver).toBe(false);
  });
});

describe('the stream’s owner', () => {
  test('sleeps while packets are carried, until the time that it was told of', async () => {
    const packets = encoded(40);
    const bench = await cards.open(patient);
    await bench.start(packets.slice(0, 2));
    const { wakes } = bench.player;
    const { playback } = bench.player;
    const feed = async (from: number, to: number): Promise<void> => {
      for (let seq = from; seq < to; seq++) {
        const payload = packets[seq]!;
        const mediaTime = seq * packetFrames;
        bench.write(message({ seq, mediaTime, captureTimeUs: 1, flags: 0, payload }));
        await until(() => playback.counters().framesPlayed >= (seq + 1) * packetFrames);
      }
    };
    bench.engage();
    await feed(2, 20);
    expect(bench.player.wakes).toBe(wakes);
    // All that was carried is with the card: nothing waits in the ring, and no less.
    expect(playback.playout(monotonicUs()).ringFrames).toBe(0);
    bench.disengage();
    bench.engage({ tellAtUs: monotonicUs() });
    await feed(20, 40);
    // Told once, by the first of them; the others were carried all the same.
    await until(() => bench.player.wakes > wakes);
    expect(bench.player.wakes).toBe(wakes + 1);
    expect(bench.disengage()).toHaveLength(20);
    expect(bench.path.handedOver).toBe(false);
  });

  test('is told of a packet that was nearly too late, which plays', async () => {
    const { bench, packets } = await cards.engaged();
    bench.disengage();
    const { wakes } = bench.player;
    const { playback } = bench.player;
    bench.engage({ scarceFrames: 48_000 });
    bench.write(bench.next(packets[0]!));
    await until(() => bench.player.wakes > wakes);
    // By the packet: there is far more than the low water left.
    expect(playback.playout(monotonicUs()).queuedFrames).toBeGreaterThan(24_000);
    expect(bench.disengage()).toMatchObject([{ concealed: false, seq: 2 }]);
    expect(bench.path.handedOver).toBe(false);
  });

  test('finds in the log what it would have seen itself', async () => {
    const { bench, packets } = await cards.engaged();
    const beforeUs = monotonicUs();
    const { playback } = bench.player;
    const before = { ...playback.playout(beforeUs) };
    bench.write(bench.next(packets[0]!));
    await bench.untilCarried(3);
    const afterUs = monotonicUs();
    const [packet] = bench.disengage();
    const times = [beforeUs, packet!.arrivalUs, packet!.startUs, packet!.endUs, afterUs];
    expect(times).toEqual([...times].sort((a, b) => a - b));
    const elapsed = ((packet!.arrivalUs - beforeUs) * 48_000) / 1e6;
    // The card may have been looked at in between.
    expect(Math.abs(before.queuedFrames - elapsed - packet!.queuedFrames)).toBeLessThan(48);
    expect(packet!.ringFrames).toBe(0);
    expect(packet!.beyondFrames).toBe(0);
    expect(packet!.seenUs).toBeLessThanOrEqual(packet!.arrivalUs);
    expect(packet!.playedFrames).toBeGreaterThanOrEqual(before.playedFrames);
    expect(packet!.committedFrames).toBe(packetFrames);
    // JavaScript's count goes on from there.
    expect(playback.playout(monotonicUs()).ringFrames).toBe(0);
  });

  test('has the stream at once whenever it wants it, and may give it straight back', async () => {
    const { bench, packets } = await cards.engaged();
    await cards.whileIdle(() => {
      for (let i = 0; i < 500; i++) {
        expect(bench.disengage()).toEqual([]);
        expect(bench.path.handedOver).toBe(false);
        bench.engage();
      }
    });
    bench.write(bench.next(packets[0]!));
    await bench.untilCarried(3);
    expect(bench.disengage()).toHaveLength(1);
  });
});

describe('the end', () => {
  const files = (): number => readdirSync('/proc/self/fd').length;

  test('of the stream closes the source’s descriptor, engaged or not', async () => {
    const cycle = async (engage: boolean): Promise<void> => {
      const { bench, packets } = await cards.engaged();
      bench.write(bench.next(packets[0]!));
      await bench.untilCarried(3);
      if (!engage) bench.disengage();
      expect(await bench.player.playback.close(5_000)).toBe('joined');
      if (engage) expect(bench.disengage()).toHaveLength(1);
      expect(bench.path.engaged).toBe(false);
      cards.close(bench);
    };
    await cycle(true);
    const before = files();
    for (let i = 0; i < 10; i++) await cycle(i % 2 === 0);
    expect(files()).toBe(before);
  });

  test('is no place to begin: the descriptor stays the caller’s', async () => {
    const { bench } = await cards.engaged();
    bench.disengage();
    await bench.player.playback.close(5_000);
    const before = files();
    expect(bench.engage()).toBe(false);
    expect(files()).toBe(before + 1);
    expect(bench.path.engaged).toBe(false);
  });

  test('by an unplug leaves what comes to JavaScript', async () => {
    const { bench, packets } = await cards.engaged();
    const before = files();
    await cards.card.control('unplug');
    await until(() => bench.player.error !== undefined);
    const { wakes } = bench.player;
    const bytes = bench.next(packets[0]!);
    bench.write(bytes);
    await until(() => bench.player.wakes > wakes || bench.player.error !== undefined);
    expect(bench.disengage()).toEqual([]);
    expect(files()).toBeLessThan(before);
    expect(await bench.player.playback.close(5_000)).toBe('joined');
  });

  test('comes to nobody who still holds the stream: its parts live on', async () => {
    const { bench, packets } = await cards.engaged();
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    await cards.whileIdle(() => {
      for (let i = 0; i < 5; i++) collect();
    });
    bench.write(bench.next(packets[0]!));
    await bench.untilCarried(3);
    expect(bench.disengage()).toHaveLength(1);
  });
});
