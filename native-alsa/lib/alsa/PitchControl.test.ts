import { closeAll, commit, openPlayback, type Player } from '../../test/streams.js';
import { pattern, until, VirtualCard } from '../../test/VirtualCard.js';

jest.setTimeout(40_000);

const nominal = 1_000_000;

let card: VirtualCard;

beforeEach(async () => {
  card = new VirtualCard();
  await card.create();
});

afterEach(async () => {
  await closeAll();
  card.remove();
});

const piece = pattern(480);

/** Keeps the stream going: one that runs dry at a bad moment rests until something comes. */
function feed({ playback }: Player): void {
  while (playback.acquire() !== undefined) commit(playback, piece);
}

/** Waits for the card's pitch while it plays. */
async function playUntilPitch(player: Player, ppm: number): Promise<void> {
  await until(async () => {
    feed(player);
    return (await card.status()).pitchPpm === ppm;
  });
}

/** Waits for what steer() leaves while it plays. */
async function playUntilLeft(player: Player, ppm: number, left: number): Promise<void> {
  await until(() => {
    feed(player);
    return player.playback.steer(ppm) === left;
  });
}

test('a card without a pitch control leaves all to others', async () => {
  const { playback, negotiated } = await openPlayback(card.device);
  expect(negotiated).toMatchObject({ rate: 48_000 });
  expect(negotiated?.pitchPpm).toBeUndefined();
  expect([300.5, -300, 0].map((ppm) => playback.steer(ppm))).toEqual([300.5, -300, 0]);
});

describe('a card with a pitch control', () => {
  test('tells its range, and is set to what is wanted while it plays', async () => {
    await card.control('pitch', 'on');
    const player = await openPlayback(card.device);
    const { playback, negotiated } = player;
    expect(negotiated?.pitchPpm).toEqual({ min: -250_000, max: 5_000 });
    expect([300.4, 5_000, -5_000, 0].map((ppm) => playback.steer(ppm))).toEqual([0, 0, 0, 0]);
    expect(playback.steer(300.4)).toBe(0);
    await playUntilPitch(player, 300);
    expect(await card.amixerPitch()).toBe(nominal + 300);
    playback.steer(-299.6);
    await playUntilPitch(player, -300);
    playback.steer(0);
    await playUntilPitch(player, 0);
  });

  test('is found under the name with conversions too', async () => {
    await card.control('pitch', 'on', '--max', '400');
    const { negotiated } = await openPlayback(card.plug);
    expect(negotiated?.pitchPpm).toEqual({ min: -250_000, max: 400 });
  });

  test('does what it can, and leaves the rest', async () => {
    await card.control('pitch', 'on', '--max', '200');
    const player = await openPlayback(card.device);
    expect(player.playback.steer(300.5)).toBe(100.5);
    await playUntilPitch(player, 200);
    expect(player.playback.steer(200)).toBe(0);
    expect(player.playback.steer(-250_001)).toBe(-1);
  });

  test.each([
    ['the stream ends', ({ playback }: Player) => playback.endOfStream()],
    ['the stream is stopped', ({ playback }: Player) => playback.stop()],
    ['the device is closed', ({ playback }: Player) => playback.close(2_000)],
  ])('is nominal again when %s', async (_, end) => {
    await card.control('pitch', 'on');
    const player = await openPlayback(card.device);
    player.playback.steer(300);
    await playUntilPitch(player, 300);
    await end(player);
    await until(async () => (await card.status()).pitchPpm === 0);
  });

  test('is made nominal at the opening: whoever set it may have been killed', async () => {
    await card.control('pitch', 'on');
    await card.amixerPitch(nominal + 77);
    await openPlayback(card.device);
    expect((await card.status()).pitchPpm).toBe(0);
  });

  test('is set again where something else put it back', async () => {
    await card.control('pitch', 'on');
    const player = await openPlayback(card.device);
    player.playback.steer(300);
    await playUntilPitch(player, 300);
    await card.amixerPitch(nominal);
    await playUntilPitch(player, 300);
  });

  test('leaves all to others while it refuses, and takes it back when it no longer does', async () => {
    await card.control('pitch', 'on');
    const player = await openPlayback(card.device);
    expect(player.playback.steer(300)).toBe(0);
    await playUntilPitch(player, 300);
    await card.control('pitch', 'off');
    await playUntilLeft(player, 310, 310);
    await card.control('pitch', 'on');
    await playUntilLeft(player, 310, 0);
    expect((await card.status()).pitchPpm).toBe(310);
  });

  test('that is closed leaves all to others', async () => {
    await card.control('pitch', 'on');
    const { playback } = await openPlayback(card.device);
    await playback.close(2_000);
    expect(playback.steer(300)).toBe(300);
  });
});
