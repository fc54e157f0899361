import { readdirSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { stereoDecoder } from '../../test/codecs.js';
import { concealFrames, encoded, PlayoutBench, packetFrames } from '../../test/PlayoutBench.js';
import { closeAll, find, joined, openCapture, type Recorder, usual } from '../../test/streams.js';
import { until, VirtualCard } from '../../test/VirtualCard.js';
import {
  binary,
  framed,
  message,
  messagesOf,
  unsigned,
  type Width,
  type WirePacket,
} from '../../test/wire.js';
import { monotonicUs, type PcmOptions, Resampler } from '../alsa.js';

jest.setTimeout(60_000);

/** Arithmetic that is the same each time. */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

let card: VirtualCard;
const benches: PlayoutBench[] = [];

beforeEach(async () => {
  card = new VirtualCard();
  await card.control('create');
});

afterEach(async () => {
  await closeAll();
  for (const bench of benches.splice(0)) bench.close();
  card.remove();
});

async function open(
  options: Partial<PcmOptions> = {},
  ppm?: number,
  onWake?: () => void,
): Promise<PlayoutBench> {
  const bench = await PlayoutBench.open(card.device, options, ppm, onWake);
  benches.push(bench);
  return bench;
}

/** What the card is to be given for these packets, by a decoder of their own. */
function expected(packets: readonly Uint8Array[], ppm?: number): Int16Array {
  const decoder = stereoDecoder();
  const resampler = new Resampler({ channels: 2, inputRate: 48_000, outputRate: 48_000 });
  if (ppm !== undefined) resampler.setRatio(ppm);
  const pcm = new Int16Array(2 * 5_760);
  const out = new Int16Array(2 * 5_760);
  const pieces = packets.map((packet) => {
    const frames = decoder.decode(packet, pcm);
    if (ppm === undefined) return pcm.slice(0, 2 * frames);
    return out.slice(0, 2 * resampler.process(pcm, frames, out).produced);
  });
  decoder.close();
  resampler.close();
  const all = new Int16Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

/** Writes a message in pieces, now and then. */
function writeInPieces(bench: PlayoutBench, bytes: Buffer, random: (below: number) => number) {
  const cut = random(3) === 0 ? random(bytes.length) : bytes.length;
  bench.write(bytes.subarray(0, cut));
  if (random(2) === 0) swap(bench, random);
  bench.write(bytes.subarray(cut));
}

/** Takes the stream from the thread, or gives it. */
function swap(bench: PlayoutBench, random: (below: number) => number): void {
  if (bench.path.engaged) {
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
    const sound = expected(packets, ppm);
    const decoded = expected(packets);
    // Where the machine stalls for longer than the margin there is a gap: asked again.
    for (let tries = 0; tries < 20; tries++) {
      const recorder = await openCapture(card.device, { slotCount: 64 });
      const bench = await open({ slotCount: 6, bufferFrames: 1_920 }, ppm);
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

/** Most of a second is in front of the card: no machine stalls for so long. */
const patient: Partial<PcmOptions> = { bufferFrames: 48_000, startSilenceFrames: 40_000 };

/** A stream that plays, engaged; `packets` are for the test. */
async function engaged(count = 4): Promise<{ bench: PlayoutBench; packets: Buffer[] }> {
  const packets = encoded(count + 2);
  const bench = await open(patient);
  await bench.start(packets.slice(0, 2));
  bench.engage();
  return { bench, packets: packets.slice(2) };
}

/** What may take longer than that: the card plays nothing meanwhile. */
async function whileCardWaits(work: () => void): Promise<void> {
  await card.control('host-idle', 'on');
  work();
  await card.control('host-idle', 'off');
}

/** Waits until the card has been given so many, those of the start among them. */
async function untilCarried({ player }: PlayoutBench, packets: number): Promise<void> {
  await until(() => player.playback.counters().framesPlayed >= packets * packetFrames);
}

describe('a packet', () => {
  const widths: Width[] = ['least', 1, 2, 4, 8];
  const small: WirePacket = {
    seq: 2,
    mediaTime: 2 * packetFrames,
    captureTimeUs: 200,
    flags: 0,
    payload: Buffer.alloc(0),
  };

  /** With integers of these widths, as MessagePack libraries write them. */
  function written(packet: WirePacket, width: Width, bin: 1 | 2 | 4 = 2): Buffer {
    const { seq, mediaTime, captureTimeUs, flags, payload } = packet;
    const seqWidth = width === 8 ? 8 : width;
    const timeWidth = width === 1 ? 2 : width;
    const time = captureTimeUs === undefined ? Buffer.of(0xc0) : unsigned(captureTimeUs, timeWidth);
    return framed(
      Buffer.of(0x96, 3),
      unsigned(seq, seqWidth),
      unsigned(mediaTime, timeWidth),
      time,
      unsigned(flags, width),
      binary(payload, bin),
    );
  }

  const plain: [string, (payload: Buffer) => Buffer][] = [
    ...widths.map((width): [string, (payload: Buffer) => Buffer] => [
      `with integers of width ${width}`,
      (payload) => written({ ...small, payload }, width),
    ]),
    ['with a bin 8 payload', (payload) => written({ ...small, payload }, 'least', 1)],
    [
      'without a capture time',
      (payload) => written({ ...small, payload, captureTimeUs: undefined }, 'least'),
    ],
  ];

  test.each(plain)('%s is played', async (_, write) => {
    const { bench, packets } = await engaged();
    const bytes = write(packets[0]!.subarray(0, 255));
    bench.write(bytes);
    await untilCarried(bench, 3);
    const carried = bench.disengage();
    const time = bytes.includes(0xc0) && _ === 'without a capture time' ? undefined : 200;
    expect(carried).toMatchObject([
      { seq: 2, mediaTime: 2 * packetFrames, captureTimeUs: time, frames: packetFrames },
    ]);
    expect(carried[0]!.payloadBytes).toBe(Math.min(255, packets[0]!.length));
    expect(bench.path.handedOver).toBe(false);
    expect(bench.rest).toHaveLength(0);
  });

  const tooMuch = Buffer.alloc(4_097, 0xf8);
  const other: [string, (payload: Buffer) => Buffer][] = [
    ['with a gap before it', (payload) => message({ ...small, seq: 3, payload })],
    ['that came before', (payload) => message({ ...small, seq: 1, payload })],
    ['that is late', (payload) => message({ ...small, mediaTime: 959, payload })],
    ['that is early', (payload) => message({ ...small, mediaTime: 961, payload })],
    ['behind a discontinuity', (payload) => message({ ...small, flags: 1, payload })],
    ['that announces a pause', (payload) => message({ ...small, flags: 2, payload })],
    ['of a pause', () => message({ ...small, payload: Buffer.of(0xf0, 0) })],
    ['that is no Opus', () => message({ ...small, payload: Buffer.of(0xf3, 0xff, 0xff) })],
    // Code 3 with three frames of 60 ms: longer than any packet may be.
    ['that is too long', () => message({ ...small, payload: Buffer.of(0x1b, 3, 0, 0, 0) })],
    // Code 3 with two frames of 60 ms: 120 ms.
    ['longer than a slot', () => message({ ...small, payload: Buffer.of(0x1b, 2, 0, 0) })],
    ['with a bin 32 payload', (payload) => written({ ...small, payload }, 4, 4)],
    ['without a payload', () => message({ ...small, payload: Buffer.alloc(0) })],
    ['of more than 4,096 bytes', () => message({ ...small, payload: tooMuch })],
    [
      'with a signed integer',
      (payload) =>
        framed(
          Buffer.of(0x96, 3, 0xd0, 2),
          ...[unsigned(960), unsigned(200), unsigned(0)],
          binary(payload, 2),
        ),
    ],
    [
      'in an array of 16 bits',
      (payload) =>
        framed(
          Buffer.of(0xdc, 0, 6, 3),
          ...[unsigned(2), unsigned(960), unsigned(200), unsigned(0)],
          binary(payload, 2),
        ),
    ],
    [
      'with bytes behind its payload',
      (payload) =>
        framed(
          Buffer.of(0x96, 3),
          ...[unsigned(2), unsigned(960), unsigned(200), unsigned(0)],
          binary(payload, 2),
          Buffer.of(0),
        ),
    ],
    [
      'whose fields end early',
      () => framed(Buffer.of(0x96, 3), unsigned(2), unsigned(960), unsigned(200), Buffer.of(0xcd)),
    ],
    ['that is a notification', () => framed(Buffer.of(0x93, 2, 0xa1, 0x61, 0x80))],
    ['that is empty', () => Buffer.alloc(4)],
    ['longer than any message', () => Buffer.of(0xff, 0xff, 0xff, 0xff)],
  ];

  test.each(other)('%s is left to JavaScript, with all behind it', async (_, write) => {
    const { bench, packets } = await engaged();
    const wakes = bench.player.wakes;
    const odd = write(packets[0]!);
    const behind = message({ ...small, payload: packets[1]! });
    bench.write(Buffer.concat([odd, behind]));
    await until(() => bench.player.wakes > wakes);
    expect(bench.disengage()).toEqual([]);
    expect(bench.path.handedOver).toBe(true);
    expect(bench.rest.equals(Buffer.concat([odd, behind]))).toBe(true);
  });

  test('is played at whatever byte it was cut', async () => {
    const packets = encoded(150, 120);
    const bench = await open(patient);
    await bench.start(packets.slice(0, 2));
    bench.engage();
    let written = 2;
    for (const [i, payload] of packets.slice(2).entries()) {
      const seq = i + 2;
      const bytes = message({ ...small, seq, mediaTime: seq * 120, payload });
      const cut = 1 + (i % (bytes.length - 1));
      bench.write(bytes.subarray(0, cut));
      // The thread has read it, or reads both at once: either is to be right.
      if (i % 2 === 0) await new Promise((resolve) => setImmediate(resolve));
      bench.write(bytes.subarray(cut));
      written += 1;
      await until(() => written * 120 - bench.player.playback.counters().framesPlayed < 1_200);
    }
    await until(() => bench.player.playback.counters().framesPlayed === 150 * 120);
    expect(bench.disengage().map(({ seq }) => seq)).toEqual(packets.slice(2).map((_, i) => i + 2));
    expect(bench.path.handedOver).toBe(false);
  });

  test('wraps its sequence number', async () => {
    const { bench, packets } = await engaged();
    bench.disengage();
    bench.nextSeq = 0xffff_ffff;
    bench.engage();
    for (const payload of packets.slice(0, 2)) {
      bench.write(bench.next(payload));
      bench.nextSeq = (bench.nextSeq + 1) >>> 0;
      bench.playTime += packetFrames;
    }
    await untilCarried(bench, 4);
    expect(bench.disengage().map(({ seq }) => seq)).toEqual([0xffff_ffff, 0]);
  });
});

describe('many packets at once', () => {
  test('are played one by one, and the card has its turn between two', async () => {
    const packets = encoded(14);
    const bench = await open({ bufferFrames: 48_000, startSilenceFrames: 9_600, slotCount: 2 });
    await bench.start(packets.slice(0, 2));
    bench.engage();
    // The ring has room for two of them.
    const burst = packets.slice(2).map((payload, i) => {
      const seq = bench.nextSeq + i;
      return message({ seq, mediaTime: seq * packetFrames, captureTimeUs: seq, flags: 0, payload });
    });
    bench.write(Buffer.concat(burst));
    await untilCarried(bench, 14);
    expect(bench.disengage()).toHaveLength(12);
    expect(bench.path.handedOver).toBe(false);
  });
});

describe('a stream that is not plain', () => {
  /** Engages so changed, writes a packet, and expects it back. */
  async function expectLeft(
    bench: PlayoutBench,
    payload: Buffer,
    changed: Parameters<PlayoutBench['engage']>[0] = {},
  ): Promise<void> {
    const bytes = bench.next(payload);
    bench.write(bytes);
    do {
      // It may be woken for low water too.
      const { wakes } = bench.player;
      bench.engage(changed);
      await until(() => bench.player.wakes > wakes);
      expect(bench.disengage()).toEqual([]);
    } while (!bench.path.handedOver);
    expect(bench.rest.equals(bytes)).toBe(true);
    // JavaScript plays it then.
    bench.playHere();
  }

  test('has too much in front of the card', async () => {
    const { bench, packets } = await engaged();
    bench.disengage();
    await expectLeft(bench, packets[0]!, { marginFramesMax: 480 });
    bench.engage();
    bench.write(bench.next(packets[1]!));
    await untilCarried(bench, 4);
    expect(bench.disengage()).toHaveLength(1);
  });

  test('has had a silence that its time does not know of', async () => {
    const { bench, packets } = await engaged();
    bench.disengage();
    const { playback } = bench.player;
    const { silenceFrames } = playback.counters();
    // Held up for so long that the card ran dry, the thread puts nothing in any more.
    await until(() => {
      const now = playback.counters();
      return now.silenceFrames > silenceFrames || !now.streaming;
    });
    await expectLeft(bench, packets[0]!, { silenceFrames });
  });

  test('stands still', async () => {
    const { bench, packets } = await engaged();
    bench.disengage();
    await card.control('host-idle', 'on');
    const { playback } = bench.player;
    const { pollTimeouts } = playback.counters();
    // Its thread looks now and then: first it finds that the card has moved since it looked last.
    await until(() => playback.counters().pollTimeouts > pollTimeouts);
    await expectLeft(bench, packets[0]!, { standstillUs: 50_000 });
    await card.control('host-idle', 'off');
  });

  test('was stopped, and the card has not done so yet', async () => {
    const { bench, packets } = await engaged();
    bench.disengage();
    bench.player.playback.stop();
    await expectLeft(bench, packets[0]!);
  });

  test('does not play yet, or no more', async () => {
    const packets = encoded(2);
    const bench = await open();
    await expectLeft(bench, packets[0]!);
    await until(() => bench.player.playback.counters().streaming === 1);
    bench.player.playback.endOfStream();
    await until(() => bench.player.playback.counters().streaming === 0);
    await expectLeft(bench, packets[1]!);
  });

  test('has a full ring: what is too much waits for JavaScript, and nothing is lost', async () => {
    const packets = encoded(12);
    const bench = await open({ ...patient, startSilenceFrames: 47_040, slotCount: 4 });
    await bench.start(packets.slice(0, 1));
    const { wakes } = bench.player;
    bench.engage();
    const more = packets.slice(1).map((payload, i) =>
      message({
        seq: i + 1,
        mediaTime: (i + 1) * packetFrames,
        captureTimeUs: 1,
        flags: 0,
        payload,
      }),
    );
    bench.write(Buffer.concat(more));
    await until(() => bench.player.wakes > wakes);
    const carried = bench.disengage();
    expect(bench.path.handedOver).toBe(true);
    expect(carried.length).toBeGreaterThanOrEqual(2);
    const { messages } = messagesOf(bench.rest);
    expect(messages[0]!.equals(more[carried.length]!)).toBe(true);
  });

  test.each(['has ended', 'is broken'])('%s: its end is read by JavaScript', async (how) => {
    const { bench, packets } = await engaged();
    const { wakes } = bench.player;
    bench.write(bench.next(packets[0]!));
    await untilCarried(bench, 3);
    if (how === 'is broken') bench.answer(Buffer.from('unread'));
    bench.endSource();
    await until(() => bench.player.wakes > wakes);
    expect(bench.disengage()).toHaveLength(1);
    expect([bench.path.handedOver, bench.rest.length]).toEqual([true, 0]);
  });

  test('has filled its log: what comes then is JavaScript’s', async () => {
    const packets = encoded(600, 120);
    const bench = await open(patient);
    await bench.start(packets.slice(0, 2));
    const { wakes } = bench.player;
    bench.engage();
    let seq = 2;
    while (bench.player.wakes === wakes && seq < 600) {
      const payload = packets[seq]!;
      bench.write(message({ seq, mediaTime: seq * 120, captureTimeUs: 1, flags: 0, payload }));
      seq += 1;
      await until(() => {
        const ahead = seq * 120 - bench.player.playback.counters().framesPlayed;
        return ahead < 1_200 || bench.player.wakes > wakes;
      });
    }
    const carried = bench.disengage();
    expect(carried).toHaveLength(512);
    expect(carried.at(-1)!.seq).toBe(513);
    expect(bench.path.handedOver).toBe(true);
    bench.playHere();
    expect(bench.nextSeq).toBe(seq);
  });
});

describe('the stream’s owner', () => {
  test('sleeps while packets are carried, until the time that it was told of', async () => {
    const packets = encoded(40);
    const bench = await open(patient);
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
    const { bench, packets } = await engaged();
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
    const { bench, packets } = await engaged();
    const beforeUs = monotonicUs();
    const { playback } = bench.player;
    const before = { ...playback.playout(beforeUs) };
    bench.write(bench.next(packets[0]!));
    await untilCarried(bench, 3);
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
    const { bench, packets } = await engaged();
    await whileCardWaits(() => {
      for (let i = 0; i < 500; i++) {
        expect(bench.disengage()).toEqual([]);
        expect(bench.path.handedOver).toBe(false);
        bench.engage();
      }
    });
    bench.write(bench.next(packets[0]!));
    await untilCarried(bench, 3);
    expect(bench.disengage()).toHaveLength(1);
  });
});

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
      const recorder = await openCapture(card.device, { slotCount: 64 });
      const bench = await open(options, ppm);
      if (await attempt(bench, recorder)) return bench;
      await closeAll();
    }
    throw new Error('the machine stalled in each of 50 tries');
  }

  /** What packets, and so many concealments behind them, decode to. */
  function withConcealed(packets: readonly Uint8Array[], count: number, ppm?: number): Int16Array {
    const decoder = stereoDecoder();
    const resampler = new Resampler({ channels: 2, inputRate: 48_000, outputRate: 48_000 });
    if (ppm !== undefined) resampler.setRatio(ppm);
    const pcm = new Int16Array(2 * 5_760);
    const out = new Int16Array(2 * 5_760);
    const sound: number[] = [];
    const give = (frames: number): void => {
      const made = ppm === undefined ? frames : resampler.process(pcm, frames, out).produced;
      sound.push(...(ppm === undefined ? pcm : out).subarray(0, 2 * made));
    };
    for (const packet of packets) give(decoder.decode(packet, pcm));
    for (let i = 0; i < count; i++) give(decoder.conceal(concealFrames, pcm));
    decoder.close();
    resampler.close();
    return Int16Array.from(sound);
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
      const sound = withConcealed(packets, 3, ppm);
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
    const bench = await open();
    await bench.start(packets);
    const { silenceFrames } = bench.player.playback.counters();
    const { wakes } = bench.player;
    bench.engage({ concealFramesMax: 48_000, silenceFrames: silenceFrames + 1 });
    await until(() => bench.player.wakes > wakes);
    expect(bench.disengage()).toEqual([]);
  });
});

describe('the end', () => {
  const files = (): number => readdirSync('/proc/self/fd').length;

  test('of the stream closes the source’s descriptor, engaged or not', async () => {
    const cycle = async (engage: boolean): Promise<void> => {
      const { bench, packets } = await engaged();
      bench.write(bench.next(packets[0]!));
      await untilCarried(bench, 3);
      if (!engage) bench.disengage();
      expect(await bench.player.playback.close(5_000)).toBe('joined');
      if (engage) expect(bench.disengage()).toHaveLength(1);
      expect(bench.path.engaged).toBe(false);
      benches.splice(0);
      bench.close();
    };
    await cycle(true);
    const before = files();
    for (let i = 0; i < 10; i++) await cycle(i % 2 === 0);
    expect(files()).toBe(before);
  });

  test('is no place to begin: the descriptor stays the caller’s', async () => {
    const { bench } = await engaged();
    bench.disengage();
    await bench.player.playback.close(5_000);
    const before = files();
    expect(bench.engage()).toBe(false);
    expect(files()).toBe(before + 1);
    expect(bench.path.engaged).toBe(false);
  });

  test('by an unplug leaves what comes to JavaScript', async () => {
    const { bench, packets } = await engaged();
    const before = files();
    await card.control('unplug');
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
    const { bench, packets } = await engaged();
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    await whileCardWaits(() => {
      for (let i = 0; i < 5; i++) collect();
    });
    bench.write(bench.next(packets[0]!));
    await untilCarried(bench, 3);
    expect(bench.disengage()).toHaveLength(1);
  });
});
