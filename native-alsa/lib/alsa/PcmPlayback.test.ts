import { isDeepStrictEqual } from 'node:util';
import {
  closeAll,
  commit,
  find,
  joined,
  openCapture,
  openPlayback,
  type Player,
  playAll,
  type Recorder,
  usual,
} from '../../test/streams.js';
import { pattern, until, VirtualCard } from '../../test/VirtualCard.js';
import { monotonicUs, type PcmOptions } from '../alsa.js';

jest.setTimeout(40_000);

const FADE_FRAMES = 120;

/**
 * A gap is covered half a second before the card runs dry: no machine stalls for so long. What is
 * committed comes behind as much silence, so that the gap begins after it.
 */
const early: Partial<PcmOptions> = {
  bufferFrames: 48_000,
  guardFrames: 24_000,
  startSilenceFrames: 24_960,
};

let card: VirtualCard;

beforeEach(async () => {
  card = new VirtualCard();
  await card.control('create');
});

afterEach(async () => {
  await closeAll();
  card.remove();
});

/** What was heard from the first sample of `first` on, until `frames` more are there. */
async function hear({ heard }: Recorder, first: Int16Array, frames: number): Promise<Int16Array> {
  let at = -1;
  await until(() => {
    at = find(joined(heard), first.subarray(0, 32));
    return at >= 0 && joined(heard).length >= 2 * (at + frames);
  });
  return joined(heard).subarray(2 * at, 2 * (at + frames));
}

test('what is unplayed is what the ring has, and what the device’s buffer can hold', async () => {
  const bufferFrames = 2_400;
  const { playback } = await openPlayback(card.device, { bufferFrames, slotCount: 20 });
  const pcm = pattern(9_600);
  for (let at = 0; at < 9_600; at += 480) commit(playback, pcm.subarray(2 * at, 2 * (at + 480)));
  await until(() => playback.counters().framesPlayed > 0);
  // The card takes more at any time, also between two looks.
  const most = 9_600 - playback.counters().framesPlayed;
  const { queuedFrames, ringFrames, beyondFrames } = playback.playout(monotonicUs());
  expect(ringFrames).toBeLessThanOrEqual(most);
  expect(ringFrames).toBeGreaterThanOrEqual(9_600 - playback.counters().framesPlayed);
  expect(queuedFrames - ringFrames).toBeLessThanOrEqual(bufferFrames);
  expect(beyondFrames).toBe(0);
  await until(() => playback.playout(monotonicUs()).ringFrames === 0);
});

async function stopped({ playback }: Player): Promise<void> {
  await until(
    () => playback.counters().streaming === 0 && playback.queuedFrames(monotonicUs()) === 0,
  );
}

test('arecord hears what was committed bit for bit, after exactly the start silence', async () => {
  const recording = await card.record();
  const player = await openPlayback(card.device, {
    startSilenceFrames: 19_700,
    bufferFrames: 48_000,
    slotCount: 50,
  });
  const played = pattern(24_000);
  await playAll(player, played);
  player.playback.endOfStream();
  await until(() => player.playback.counters().framesPlayed === 24_000);
  const { start } = (await card.status()).playback;
  await stopped(player);
  const begin = start + 19_700 - recording.start;
  const recorded = await recording.stop(begin + 24_000 + 4_800);
  const at = find(recorded, played);
  expect(at).toBe(begin);
  expect(recorded.subarray(0, 2 * at).every((value) => value === 0)).toBe(true);
  expect(recorded.subarray(2 * at + played.length).every((value) => value === 0)).toBe(true);
  const { framesPlayed, silenceFrames, underruns, xruns } = player.playback.counters();
  expect([framesPlayed, silenceFrames, underruns, xruns]).toEqual([24_000, 0, 0, 0]);
});

test('a late producer costs one gap: faded out, silent, faded in, and counted exactly', async () => {
  const recorder = await openCapture(card.device);
  const { playback } = await openPlayback(card.device, early);
  const before = pattern(4_800);
  const committedUs = monotonicUs();
  commit(playback, before.subarray(0, 4_800));
  commit(playback, before.subarray(4_800));
  await until(() => playback.counters().silenceFrames > 2_400);
  const after = pattern(2_400, 10_000);
  commit(playback, after);
  playback.endOfStream();
  await until(() => playback.counters().framesPlayed === 7_200);
  const { silenceFrames, underruns, underrunUs, xruns, framesPlayed } = playback.counters();
  expect([underruns, xruns, framesPlayed]).toEqual([1, 0, 7_200]);
  expect(underrunUs).toBeGreaterThan(committedUs);
  expect(underrunUs).toBeLessThan(monotonicUs());

  const heard = await hear(recorder, before, 7_200 + silenceFrames);
  expect(heard.subarray(0, 9_600)).toEqual(before);
  const gap = heard.subarray(9_600, 9_600 + 2 * silenceFrames);
  for (let i = 0; i < FADE_FRAMES; i++) {
    const gain = 0.5 + 0.5 * Math.cos((Math.PI * (i + 0.5)) / FADE_FRAMES);
    const mirrored = before[2 * (4_800 - 1 - i)]! * gain;
    expect(Math.abs(gap[2 * i]! - mirrored)).toBeLessThanOrEqual(1);
  }
  expect(gap.subarray(2 * FADE_FRAMES).every((value) => value === 0)).toBe(true);
  const resumed = heard.subarray(9_600 + 2 * silenceFrames);
  for (let i = 0; i < FADE_FRAMES; i++) {
    expect(Math.abs(resumed[2 * i]!)).toBeLessThanOrEqual(after[2 * i]!);
  }
  expect(resumed.subarray(2 * FADE_FRAMES)).toEqual(after.subarray(2 * FADE_FRAMES));
});

test('a ring of two slots wraps and is never overwritten', async () => {
  const played = pattern(9_600);
  // 10 ms of room: a machine that stalls for longer makes a gap, and is asked again.
  for (let tries = 0; tries < 20; tries++) {
    const recorder = await openCapture(card.device);
    const player = await openPlayback(card.device, {
      slotCount: 2,
      slotFramesMax: 240,
      startSilenceFrames: 4_800,
    });
    await playAll(player, played, 240);
    player.playback.endOfStream();
    await stopped(player);
    const disturbed = (): boolean => {
      const { underruns, xruns } = player.playback.counters();
      return underruns + xruns + recorder.capture.counters().xruns > 0;
    };
    const heard = disturbed() ? undefined : await hear(recorder, played, 9_600);
    if (!disturbed()) {
      expect(heard).toEqual(played);
      return;
    }
    await closeAll();
  }
  throw new Error('this machine stalls too often for a ring of 10 ms');
});

test('acquire() gives nothing while the ring is full', async () => {
  const { playback } = await openPlayback(card.device, { slotCount: 2, bufferFrames: 960 });
  await card.control('host-idle', 'on');
  let commits = 0;
  for (; playback.acquire() !== undefined; commits++) {
    commit(playback, pattern(480));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  expect(commits).toBeGreaterThanOrEqual(3);
  await card.control('host-idle', 'off');
  await until(() => playback.acquire() !== undefined);
});

test('committed parts of slots are joined without a seam', async () => {
  const recorder = await openCapture(card.device);
  const { playback } = await openPlayback(card.device);
  const played = pattern(1_000);
  for (const [from, to] of [
    [0, 400],
    [400, 401],
    [401, 1_000],
  ] as const) {
    const slot = playback.acquire()!;
    slot.pcm.fill(99);
    slot.offsetFrames = from;
    slot.frames = to - from;
    slot.pcm.set(played.subarray(2 * from, 2 * to), 2 * from);
    playback.commit(slot);
  }
  playback.endOfStream();
  expect(await hear(recorder, played, 1_000)).toEqual(played);
});

test('queuedFrames() is what the card still has to play, to the sample', async () => {
  const { playback } = await openPlayback(card.device, { bufferFrames: 48_000 });
  for (let i = 0; i < 14; i++) commit(playback, pattern(2_880));
  const frames = 14 * 2_880;
  await until(() => playback.counters().framesPlayed === frames);
  const errors: number[] = [];
  for (let i = 0; i < 8; i++) {
    const { monotonicNs, playback: side } = await card.status();
    const queued = side.start + usual.startSilenceFrames + frames - side.position;
    if (queued > usual.guardFrames) {
      errors.push(Math.abs(playback.queuedFrames(monotonicNs / 1000) - queued));
    }
  }
  expect(Math.min(...errors)).toBeLessThanOrEqual(2);
});

test('queuedFrames() counts the start silence before the thread has begun', async () => {
  const { playback } = await openPlayback(card.device);
  expect(playback.queuedFrames(monotonicUs())).toBe(0);
  commit(playback, pattern(960));
  const queued = playback.queuedFrames(monotonicUs());
  expect(queued).toBeGreaterThan(960 + 480 - 240);
  expect(queued).toBeLessThanOrEqual(960 + 480);
});

test('low water wakes once per commit', async () => {
  const player = await openPlayback(card.device, {
    ...early,
    lowWaterFrames: 26_400,
    slotFramesMax: 5_760,
  });
  commit(player.playback, pattern(5_760));
  await until(() => player.wakes === 1);
  expect(player.playback.queuedFrames(monotonicUs())).toBeLessThanOrEqual(26_400);
  await until(() => player.playback.counters().silenceFrames > 960);
  expect(player.wakes).toBe(1);
  commit(player.playback, pattern(2_880));
  await until(() => player.wakes === 2);
});

test('in a gap low water is told again each time that its silence went above it', async () => {
  const player = await openPlayback(card.device, {
    ...early,
    lowWaterFrames: 24_040,
    slotFramesMax: 5_760,
  });
  const { playback } = player;
  commit(playback, pattern(5_760));
  await until(() => player.wakes > 3);
  expect(playback.counters().silenceFrames).toBeGreaterThanOrEqual(2 * FADE_FRAMES);
  expect(playback.counters().underruns).toBe(1);
});

test('silence in the place of a source that pauses is no underrun, and is one when it goes on', async () => {
  const { playback } = await openPlayback(card.device, early);
  const silenceBehind = async (frames: number): Promise<void> => {
    const { silenceFrames } = playback.counters();
    commit(playback, pattern(frames));
    await until(() => playback.counters().silenceFrames > silenceFrames + 2 * FADE_FRAMES);
  };
  playback.setPauses(true);
  await silenceBehind(960);
  await silenceBehind(960);
  expect(playback.counters()).toMatchObject({ underruns: 0, underrunUs: 0 });
  playback.setPauses(false);
  await silenceBehind(960);
  expect(playback.counters().underruns).toBe(1);
});

test('a producer that only follows low water plays without a gap', async () => {
  const recorder = await openCapture(card.device);
  const played = pattern(28_800);
  let at = 0;
  const feed = (): void => {
    if (at === played.length) {
      player.playback.endOfStream();
    } else {
      commit(player.playback, played.subarray(at, at + 960));
      at += 960;
    }
  };
  const player: Player = await openPlayback(
    card.device,
    { lowWaterFrames: 28_800, startSilenceFrames: 28_800, bufferFrames: 48_000 },
    feed,
  );
  feed();
  expect(await hear(recorder, played, 28_800)).toEqual(played);
  await stopped(player);
  expect(player.playback.counters()).toMatchObject({ underruns: 0, xruns: 0, silenceFrames: 0 });
});

test('the end of a stream is no underrun, and the next commit starts anew', async () => {
  const recorder = await openCapture(card.device);
  const player = await openPlayback(card.device);
  const first = pattern(960);
  commit(player.playback, first);
  player.playback.endOfStream();
  await stopped(player);
  expect(player.playback.queuedFrames(monotonicUs())).toBe(0);
  const second = pattern(960, 5_000);
  commit(player.playback, second);
  player.playback.endOfStream();
  expect(await hear(recorder, second, 960)).toEqual(second);
  await stopped(player);
  const { underruns, xruns, silenceFrames } = player.playback.counters();
  expect([underruns, xruns, silenceFrames]).toEqual([0, 0, 0]);
});

test('the end of a stream is heard whole of a card that holds it beyond its buffer', async () => {
  await card.control('hold', '1024');
  const recorder = await openCapture(card.device);
  const player = await openPlayback(card.device, { bufferFrames: 4_800 });
  const faults = (): number[] => {
    const { underruns, xruns, silenceFrames } = player.playback.counters();
    return [underruns, xruns, silenceFrames];
  };
  /** What was played, what was heard of it, and what was counted. */
  const take = async (from: number): Promise<unknown[][]> => {
    const before = faults();
    const played = pattern(2_400, from);
    commit(player.playback, played);
    player.playback.endOfStream();
    await until(() => player.playback.playout(monotonicUs()).beyondFrames === 4_800);
    await stopped(player);
    const heard = await hear(recorder, played, 2_400);
    return [
      [...played, ...before],
      [...heard, ...faults()],
    ];
  };
  let [wanted, got] = await take(0);
  // A machine that stalls cuts a hole into it, which is no end.
  for (let tries = 1; tries < 5 && !isDeepStrictEqual(wanted, got); tries++) {
    [wanted, got] = await take(5_000 * tries);
  }
  expect(got).toEqual(wanted);
});

test('stop() drops what is queued at once and what comes after it is played', async () => {
  const recorder = await openCapture(card.device);
  const player = await openPlayback(card.device, { bufferFrames: 1_920 });
  for (let i = 0; i < 15; i++) commit(player.playback, pattern(2_880));
  await until(() => player.playback.counters().streaming === 1);
  player.playback.stop();
  expect(player.playback.queuedFrames(monotonicUs())).toBe(0);
  const after = pattern(960, 20_000);
  commit(player.playback, after);
  player.playback.endOfStream();
  expect(await hear(recorder, after, 960)).toEqual(after);
  await stopped(player);
  expect(player.playback.queuedFrames(monotonicUs())).toBe(0);
  expect(player.playback.counters().framesPlayed).toBeLessThan(15 * 2_880 + 960);
});

test('an xrun is recovered from in place and counted', async () => {
  const player = await openPlayback(card.device, early);
  for (let i = 0; i < 4; i++) commit(player.playback, pattern(2_400));
  await until(() => player.playback.counters().streaming === 1);
  await card.control('xrun', 'playback');
  await until(() => player.playback.counters().xruns === 1);
  commit(player.playback, pattern(2_400));
  await until(() => player.playback.counters().streaming === 1);
  player.playback.endOfStream();
  await stopped(player);
  expect(player.playback.counters().xruns).toBe(1);
  expect(player.error).toBeUndefined();
});

test('a card that plays twice as fast as it says has moved when it runs dry, and is looked at sooner then', async () => {
  await card.control('rate', '96000', '--unsaid');
  // Dry after 167 ms, when the guard is thought to be 42 ms away.
  const margins = { startSilenceFrames: 15_520, guardFrames: 6_000, bufferFrames: 48_000 };
  const { playback } = await openPlayback(card.device, margins);
  const committedUs = monotonicUs();
  commit(playback, pattern(480));
  await until(() => playback.counters().xruns === 1);
  expect(playback.counters().lastProgressUs).toBeGreaterThan(committedUs);
  // Silence keeps it alive. A machine that stalls for 62 ms has it run dry once more.
  await until(() => {
    const { streaming, underruns } = playback.counters();
    if (streaming === 0 && playback.playout(monotonicUs()).ringFrames === 0) {
      commit(playback, pattern(480));
    }
    return underruns > 0;
  });
});

test('what an xrun throws away is silent for its time, so that what follows is in time', async () => {
  const player = await openPlayback(card.device);
  const { playback } = player;
  const endUs = (): number => {
    const nowUs = monotonicUs();
    return nowUs + (playback.queuedFrames(nowUs) / 48_000) * 1e6;
  };
  for (let i = 0; i < 14; i++) commit(playback, pattern(2_880));
  await until(() => playback.counters().framesPlayed > 2_880);
  const before = endUs();
  await card.control('xrun', 'playback');
  await until(() => playback.counters().xruns === 1 && playback.counters().streaming === 1);
  const lateFrames = playback.counters().silenceFrames;
  expect(lateFrames).toBeGreaterThanOrEqual(0);
  const laterFrames = ((endUs() - before) * 48_000) / 1e6;
  expect(Math.abs(laterFrames - lateFrames)).toBeLessThan(480);
});

test('after an xrun with an empty ring JavaScript is woken', async () => {
  const player = await openPlayback(card.device, {
    bufferFrames: 48_000,
    startSilenceFrames: 45_000,
  });
  commit(player.playback, pattern(2_400));
  await until(() => player.playback.counters().framesPlayed === 2_400);
  await card.control('xrun', 'playback');
  await until(() => player.wakes === 1);
  // Low water would have come most of a second later.
  expect(player.playback.counters()).toMatchObject({ xruns: 1, underruns: 0 });
});

test('after an xrun at the end of a stream the pause until the next is no silence', async () => {
  const { playback } = await openPlayback(card.device);
  commit(playback, pattern(2_400));
  await until(() => playback.counters().framesPlayed === 2_400);
  await card.control('xrun', 'playback');
  await until(() => playback.counters().xruns > 0);
  playback.endOfStream();
  const { silenceFrames } = playback.counters();
  await new Promise((resolve) => setTimeout(resolve, 500));
  // So much that no gap follows before it is looked at.
  for (let i = 0; i < 14; i++) commit(playback, pattern(2_880));
  await until(() => playback.counters().streaming === 1);
  expect(playback.counters().silenceFrames - silenceFrames).toBeLessThan(2_400);
});

test('a host that does not listen is no fault, and queuedFrames() stands still', async () => {
  const player = await openPlayback(card.device, early);
  commit(player.playback, pattern(2_400));
  await until(() => player.playback.counters().streaming === 1);
  await card.control('host-idle', 'on');
  await until(() => player.playback.counters().pollTimeouts >= 2);
  const queued = player.playback.queuedFrames(monotonicUs());
  expect(queued).toBeGreaterThan(0);
  expect(player.playback.queuedFrames(monotonicUs() + 1e6)).toBe(queued);
  await card.control('host-idle', 'off');
  await until(() => player.playback.queuedFrames(monotonicUs()) < queued);
  expect(player.error).toBeUndefined();
});

test('a suspended card is resumed', async () => {
  const player = await openPlayback(card.device);
  commit(player.playback, pattern(2_400));
  await until(() => player.playback.counters().streaming === 1);
  await card.control('suspend');
  await until(() => player.playback.counters().streaming === 0);
  await card.control('resume');
  commit(player.playback, pattern(2_400));
  await until(() => player.playback.counters().streaming === 1);
  expect(player.error).toBeUndefined();
});

test('margins change live', async () => {
  const player = await openPlayback(card.device, { ...early, guardFrames: 0 });
  commit(player.playback, pattern(2_880));
  player.playback.setMargins({ guardFrames: 24_000, lowWaterFrames: 0, startSilenceFrames: 0 });
  await until(() => player.playback.counters().underruns === 1);
  expect(player.playback.queuedFrames(monotonicUs())).toBeGreaterThan(12_000);
  expect(() =>
    player.playback.setMargins({ guardFrames: -1, lowWaterFrames: 0, startSilenceFrames: 0 }),
  ).toThrow('guardFrames = -1');
});

test('the thread sleeps while nothing is due', async () => {
  const { playback } = await openPlayback(card.device, {
    bufferFrames: 48_000,
    startSilenceFrames: 20_000,
  });
  for (let i = 0; i < 8; i++) commit(playback, pattern(2_880));
  await until(() => playback.counters().framesPlayed === 8 * 2_880);
  const rounds = playback.counters().pollRounds;
  await until(() => playback.queuedFrames(monotonicUs()) < 24_000);
  expect(playback.counters().pollRounds - rounds).toBeLessThan(6);
});

test('mistakes of the caller are named', async () => {
  const { playback } = await openPlayback(card.device);
  const slot = playback.acquire()!;
  slot.offsetFrames = 0;
  slot.frames = 2_881;
  expect(() => playback.commit(slot)).toThrow('frames = 2881');
  slot.frames = 0;
  expect(() => playback.commit(slot)).toThrow('frames = 0');
  slot.frames = 1;
  playback.commit(slot);
  expect(() => playback.commit(slot)).toThrow('not the next one');
});

test('after close nothing is given out and nothing happens', async () => {
  const { playback } = await openPlayback(card.device);
  const slot = playback.acquire()!;
  commit(playback, pattern(960));
  expect(await playback.close(1_000)).toBe('joined');
  expect(playback.acquire()).toBeUndefined();
  expect(() => playback.commit(slot)).not.toThrow();
  expect(() => playback.stop()).not.toThrow();
  expect(() => playback.endOfStream()).not.toThrow();
  expect(playback.counters().streaming).toBe(0);
});
