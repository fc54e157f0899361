import type { CarriedPacket, PcmPlayback, PlayoutFastPath } from '@kvm-audio/native-alsa/alsa';
import { type Connection, mediaRate } from '@kvm-audio/protocol';
import { PlayerBench, stream } from '../../../test/helpers/PlayerBench.js';
import { type CarriedWatcher, FastPlayout } from './FastPlayout.js';
import type { Player } from './Player.js';

const ms = mediaRate / 1000;
const frameMs = 20;
const packets = 100;

function row(concealed: boolean, nowMs: number): CarriedPacket {
  const frames = (concealed ? 5 : frameMs) * ms;
  return {
    concealed,
    arrivalUs: nowMs * 1000,
    seq: packets,
    mediaTime: packets * frameMs * ms,
    captureTimeUs: undefined,
    payloadBytes: 100,
    frames,
    queuedFrames: 10 * ms,
    ringFrames: 0,
    beyondFrames: 0,
    playedFrames: 0,
    seenUs: nowMs * 1000,
    startUs: nowMs * 1000,
    endUs: nowMs * 1000,
    committedFrames: frames,
  };
}

type Fake = {
  path: PlayoutFastPath;
  /** Told by the next harvest(), or disengage(). */
  rows: CarriedPacket[];
  /** Whether the thread has handed over. */
  handsOver: boolean;
  log: string[];
};

/** A thread that has carried `rows` since it was asked last. */
function fakePath(historyEnd: number): Fake {
  let told: CarriedPacket[] = [];
  const fake: Fake = {
    rows: [],
    handsOver: false,
    log: [],
    path: {
      engage: () => true,
      harvest: () => {
        if (fake.handsOver) return undefined;
        fake.log.push('harvest');
        told = fake.rows.splice(0);
        return told.length;
      },
      disengage: () => {
        fake.log.push('disengage');
        told = fake.rows.splice(0);
        return told.length;
      },
      packet: (index: number) => told[index]!,
      historyEnd,
      get handedOver() {
        return fake.handsOver;
      },
      takeRest: () => Buffer.alloc(0),
    } as unknown as PlayoutFastPath,
  };
  return fake;
}

/** A stream that has come to rest, lent to a thread. */
function lent(onCarried: (fast: FastPlayout, carried: CarriedPacket) => void = () => undefined) {
  const bench = new PlayerBench();
  Object.assign(bench.decoder, { role: {} });
  bench.run(stream(packets, frameMs), 1_000 + packets * frameMs + 5);
  const fake = fakePath(bench.player.played.end);
  const source = { lend: () => 0, takeBack: () => undefined } as unknown as Connection;
  const seqs: number[] = [];
  const watcher: CarriedWatcher = {
    onCarried: (packet, carried) => {
      seqs.push(packet.seq);
      bench.player.noteCarried(packet, carried);
      onCarried(fast, carried);
    },
    onConcealed: (carried) => bench.player.noteConcealed(carried),
  };
  const device = {
    makeFastPath: () => fake.path,
    playout: () => bench.card.playout(),
  } as unknown as PcmPlayback;
  const fast: FastPlayout = new FastPlayout(device, bench.player, watcher);
  fast.lend(source, bench.card.nowUs);
  expect(fast.isLent).toBe(true);
  const next = (index: number): CarriedPacket => {
    const at = row(false, bench.nowMs + index * frameMs);
    return { ...at, seq: packets + index, mediaTime: (packets + index) * frameMs * ms };
  };
  return { bench, fake, fast, seqs, next, source };
}

describe('catching up', () => {
  test('tells what was carried, each packet once, while the thread goes on', () => {
    const { bench, fake, fast, seqs, next } = lent();
    fake.rows = [next(0), next(1)];
    expect(fast.catchUp(bench.card.nowUs)).toBe(true);
    expect([seqs, fast.isLent]).toEqual([[packets, packets + 1], true]);
    fake.rows = [next(2)];
    fast.takeBack(bench.card.nowUs);
    expect([seqs.length, fast.isLent]).toEqual([3, false]);
    expect(fake.log).toEqual(['harvest', 'harvest', 'disengage']);
  });

  test('does not where the stream is no longer what the thread was given', () => {
    const { bench, fake, fast } = lent();
    bench.player.setTarget(30);
    expect(fast.catchUp(bench.card.nowUs)).toBe(false);
    expect([fake.log, fast.isLent]).toEqual([[], true]);
  });

  test('says so where a packet that was carried asks for more', () => {
    const { bench, fast, fake, next } = lent((_fast, { seq }) => {
      if (seq === packets + 1) bench.player.setTarget(30);
    });
    fake.rows = [next(0), next(1), next(2)];
    expect(fast.catchUp(bench.card.nowUs)).toBe(false);
    expect(fake.log).toEqual(['harvest']);
  });

  test('says so where something was made up, as the player is to know at once', () => {
    const { bench, fake, fast } = lent();
    fake.rows = [row(true, bench.nowMs)];
    expect(fast.catchUp(bench.card.nowUs)).toBe(false);
    expect(fake.log).toEqual(['harvest']);
    expect(bench.counters.concealedFrames).toBe(5 * ms);
    expect(fast.catchUp(bench.card.nowUs)).toBe(false);
    expect(fake.log).toEqual(['harvest']);
  });

  test('does not where silence was played, of which the player does not know', () => {
    const { bench, fake, fast } = lent();
    const playout = bench.card.playout();
    bench.card.playout = () => ({ ...playout, silenceFrames: playout.silenceFrames + 48 });
    expect(fast.catchUp(bench.card.nowUs)).toBe(false);
    expect(fake.log).toEqual([]);
  });

  test('is not for a thread that has handed over, nor where none has the stream', () => {
    const { bench, fake, fast, seqs } = lent();
    fake.handsOver = true;
    expect(fast.catchUp(bench.card.nowUs)).toBe(false);
    fast.takeBack(bench.card.nowUs);
    expect(fast.catchUp(bench.card.nowUs)).toBe(false);
    expect(seqs).toEqual([]);
  });

  test('tells all in their order where a packet has the stream taken back', () => {
    const { bench, fake, fast, seqs, next } = lent((self, { seq }) => {
      if (seq !== packets + 1) return;
      fake.rows = [next(3)];
      self.takeBack(bench.card.nowUs);
    });
    fake.rows = [next(0), next(1), next(2)];
    expect(fast.catchUp(bench.card.nowUs)).toBe(false);
    expect(seqs).toEqual([0, 1, 2, 3].map((index) => packets + index));
    expect(fast.isLent).toBe(false);
  });

  test('leaves no lending in vain: after four of these it would rest', () => {
    const { bench, fake, fast, next, source } = lent();
    for (let i = 0; i < 6; i++) {
      fake.rows = [next(i)];
      expect(fast.catchUp(bench.card.nowUs)).toBe(true);
      fake.handsOver = true;
      fast.takeBack(bench.card.nowUs);
      fake.handsOver = false;
      fast.noteRead();
      fast.lend(source, bench.card.nowUs);
      expect(fast.isLent).toBe(true);
    }
  });
});

test('what was made up behind a packet that has the card closed is left out', () => {
  const bench = new PlayerBench();
  Object.assign(bench.decoder, { role: {} });
  bench.run(stream(packets, frameMs), 1_000 + packets * frameMs + 5);
  const rows = [row(false, bench.nowMs), row(true, bench.nowMs)];
  const path = {
    engage: () => true,
    harvest: () => undefined,
    disengage: () => rows.length,
    packet: (index: number) => rows[index]!,
    historyEnd: bench.player.played.end,
    handedOver: false,
    takeRest: () => Buffer.alloc(0),
  };
  const device = {
    makeFastPath: () => path as unknown as PlayoutFastPath,
    playout: () => bench.card.playout(),
  };
  const source = { lend: () => 0, takeBack: () => undefined };
  let player: Player | undefined = bench.player;
  const watcher: CarriedWatcher = {
    // As the pipeline does where the card runs at another rate.
    onCarried: (packet, carried) => {
      player?.noteCarried(packet, carried);
      player = undefined;
      bench.jitter.reset();
    },
    onConcealed: (carried) => player?.noteConcealed(carried),
  };
  const fast = new FastPlayout(device as unknown as PcmPlayback, bench.player, watcher);
  fast.lend(source as unknown as Connection, bench.card.nowUs);
  expect(fast.isLent).toBe(true);
  fast.takeBack(bench.card.nowUs);
  expect([fast.isLent, bench.counters.concealedFrames]).toEqual([false, 0]);
});
