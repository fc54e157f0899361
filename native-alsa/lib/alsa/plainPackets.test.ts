import { encoded, type PlayoutBench, packetFrames } from '../../test/PlayoutBench.js';
import { PlayoutCards, patient } from '../../test/PlayoutCards.js';
import { until } from '../../test/VirtualCard.js';
import {
  binary,
  framed,
  message,
  messagesOf,
  unsigned,
  type Width,
  type WirePacket,
} from '../../test/wire.js';

jest.setTimeout(60_000);

const cards = new PlayoutCards();

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
    const { bench, packets } = await cards.engaged();
    const bytes = write(packets[0]!.subarray(0, 255));
    bench.write(bytes);
    await bench.untilCarried(3);
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
    const { bench, packets } = await cards.engaged();
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
    const bench = await cards.open(patient);
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
    const { bench, packets } = await cards.engaged();
    bench.disengage();
    bench.nextSeq = 0xffff_ffff;
    bench.engage();
    for (const payload of packets.slice(0, 2)) {
      bench.write(bench.next(payload));
      bench.nextSeq = (bench.nextSeq + 1) >>> 0;
      bench.playTime += packetFrames;
    }
    await bench.untilCarried(4);
    expect(bench.disengage().map(({ seq }) => seq)).toEqual([0xffff_ffff, 0]);
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
    const { bench, packets } = await cards.engaged();
    bench.disengage();
    await expectLeft(bench, packets[0]!, { marginFramesMax: 480 });
    bench.engage();
    bench.write(bench.next(packets[1]!));
    await bench.untilCarried(4);
    expect(bench.disengage()).toHaveLength(1);
  });

  test('has had a silence that its time does not know of', async () => {
    const { bench, packets } = await cards.engaged();
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
    const { bench, packets } = await cards.engaged();
    bench.disengage();
    await cards.card.control('host-idle', 'on');
    const { playback } = bench.player;
    const { pollTimeouts } = playback.counters();
    // Its thread looks now and then: first it finds that the card has moved since it looked last.
    await until(() => playback.counters().pollTimeouts > pollTimeouts);
    await expectLeft(bench, packets[0]!, { standstillUs: 50_000 });
    await cards.card.control('host-idle', 'off');
  });

  test('was stopped, and the card has not done so yet', async () => {
    const { bench, packets } = await cards.engaged();
    bench.disengage();
    bench.player.playback.stop();
    await expectLeft(bench, packets[0]!);
  });

  test('does not play yet, or no more', async () => {
    const packets = encoded(2);
    const bench = await cards.open();
    await expectLeft(bench, packets[0]!);
    await until(() => bench.player.playback.counters().streaming === 1);
    bench.player.playback.endOfStream();
    await until(() => bench.player.playback.counters().streaming === 0);
    await expectLeft(bench, packets[1]!);
  });

  test('has a full ring: what is too much waits for JavaScript, and nothing is lost', async () => {
    const packets = encoded(12);
    const bench = await cards.open({ ...patient, startSilenceFrames: 47_040, slotCount: 4 });
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
    const { bench, packets } = await cards.engaged();
    const { wakes } = bench.player;
    bench.write(bench.next(packets[0]!));
    await bench.untilCarried(3);
    if (how === 'is broken') bench.answer(Buffer.from('unread'));
    bench.endSource();
    await until(() => bench.player.wakes > wakes);
    expect(bench.disengage()).toHaveLength(1);
    expect([bench.path.handedOver, bench.rest.length]).toEqual([true, 0]);
  });

  test('has filled its log: what comes then is JavaScript’s', async () => {
    const packets = encoded(600, 120);
    const bench = await cards.open(patient);
    await bench.start(packets.slice(0, 2));
    const { wakes } = bench.player;
    bench.engage();
    let seq = 2;
    while (bench.player.wakes === wakes && seq < 1_500) {
      const payload = packets[seq % packets.length]!;
      bench.write(message({ seq, mediaTime: seq * 120, captureTimeUs: 1, flags: 0, payload }));
      seq += 1;
      await until(() => {
        const ahead = seq * 120 - bench.player.playback.counters().framesPlayed;
        return ahead < 1_200 || bench.player.wakes > wakes;
      });
    }
    const carried = bench.disengage();
    expect(carried).toHaveLength(1_280);
    expect(carried.at(-1)!.seq).toBe(1_281);
    expect(bench.path.handedOver).toBe(true);
    bench.playHere();
    expect(bench.nextSeq).toBe(seq);
  });
});
