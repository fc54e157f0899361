import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { CaptureBench, Client } from '../../test/CaptureBench.js';
import { musicEncoder, pausingEncoder } from '../../test/codecs.js';
import { pattern, until, VirtualCard } from '../../test/VirtualCard.js';
import { packetHeaderBytes, packetOf } from '../../test/wire.js';
import { monotonicUs, type PcmOptions } from '../alsa.js';

jest.setTimeout(60_000);

const slotFrames = 120;
/** For who has clients and no patience: each has 120 ms to read. */
const long: Partial<PcmOptions> = { slotFrames: 2_880 };

let card: VirtualCard;
const benches: CaptureBench[] = [];

beforeEach(async () => {
  card = new VirtualCard();
  await card.control('create');
});

async function closeAll(): Promise<void> {
  for (const bench of benches.splice(0)) await bench.close();
}

afterEach(async () => {
  await closeAll();
  card.remove();
});

async function open(clients: Client[], options: Partial<PcmOptions> = {}): Promise<CaptureBench> {
  const bench = await CaptureBench.open(card.device, clients, options);
  benches.push(bench);
  return bench;
}

/** Waits until the card has given so many more slots. */
async function slots({ capture }: CaptureBench, count: number, frames = slotFrames): Promise<void> {
  const { framesRead } = capture.counters();
  await until(() => capture.counters().framesRead >= framesRead + count * frames);
}

/** The same, and until its thread has seen to them. */
async function carriedSlots(bench: CaptureBench, count: number, frames?: number): Promise<void> {
  await slots(bench, count, frames);
  const { capture } = bench;
  const { pollRounds } = capture.counters();
  await until(() => capture.counters().pollRounds > pollRounds + 1);
}

/** Takes the stream and what it left, and gives it back where every client has all. */
function swap(bench: CaptureBench): void {
  bench.sendRest(bench.disengage().unsentFrom);
  bench.sendHere();
  if (bench.clients.every(({ waiting }) => waiting.length === 0)) bench.engage();
}

/** Waits until so many were carried to `client` in one go: one that reads late is left to JavaScript. */
async function carriedTo(client: Client, bench: CaptureBench, count: number): Promise<void> {
  let { wakes } = bench;
  await until(() => {
    if (bench.wakes > wakes) swap(bench);
    ({ wakes } = bench);
    return client.messages.length >= bench.seq + count;
  });
}

/** Waits for the hand-over: the stream's owner is told of each slot from then on. */
async function handedOver(bench: CaptureBench): Promise<void> {
  const { wakes } = bench;
  await until(() => bench.wakes >= wakes + 3);
}

/**
 * Until the machine does not stall for longer than a client has to read.
 *
 * @param attempt what it gave, undefined = it did
 */
async function unstalled<T>(attempt: () => Promise<T | undefined>): Promise<T> {
  for (let tries = 0; tries < 20; tries++) {
    const result = await attempt();
    if (result !== undefined) return result;
    await closeAll();
  }
  throw new Error('the machine stalled in each of 20 tries');
}

/** What an encoder makes of this sound from its first sample on. */
function encodedFrom(sound: (position: number) => Int16Array, count: number): Buffer[] {
  const encoder = musicEncoder();
  const out = Buffer.alloc(1_500);
  const packets = Array.from({ length: count }, (_, i) => {
    const bytes = encoder.encode(sound(i * slotFrames), slotFrames, out);
    return Buffer.from(out.subarray(0, bytes));
  });
  encoder.close();
  return packets;
}

/** `played`, which began at frame `start`, in silence. */
function slotOf(played: Int16Array, start: number, position: number): Int16Array {
  const slot = new Int16Array(2 * slotFrames);
  for (let i = 0; i < slot.length; i++) slot[i] = played[2 * (position - start) + i] ?? 0;
  return slot;
}

describe('what the fast path sends', () => {
  test('is bit for bit what JavaScript would have sent, whoever has the stream when', async () => {
    const played = pattern(48_000);
    for (let tries = 0; tries < 20; tries++) {
      const client = new Client();
      const bench = await open([client]);
      let swaps = 0;
      let over = false;
      const playing = card.play(played).finally(() => {
        over = true;
      });
      while (!over) {
        swap(bench);
        swaps += 1;
        if (swaps % 3 === 0) await new Promise((resolve) => setImmediate(resolve));
        else await slots(bench, swaps % 4);
      }
      await playing;
      const { playback, capture } = await card.status();
      swap(bench);
      bench.sendRest(bench.disengage().unsentFrom);
      await until(() => client.waiting.length === 0 && client.messages.length >= bench.seq);
      const { xruns, ringFullSlots } = bench.capture.counters();
      const stalled = xruns + ringFullSlots + playback.xruns > 0;
      if (stalled || swaps <= 50) {
        await closeAll();
        continue;
      }

      const packets = client.messages.map(packetOf);
      const start = playback.start - capture.start;
      expect(packets).toHaveLength(bench.frames.length);
      const wanted = encodedFrom((at) => slotOf(played, start, at), packets.length);
      expect(packets.findIndex(({ payload }, i) => !wanted[i]!.equals(payload))).toBe(-1);
      packets.forEach((packet, i) => {
        const frame = bench.frames[i]!;
        expect([packet.seq, packet.mediaTime, packet.flags]).toEqual([i, i * slotFrames, 0]);
        expect(packet.captureTimeUs).toBe(Math.round(frame.timeUs));
        expect(packet.payload.length).toBe(frame.payloadBytes);
        expect(frame.positionFrames).toBe(i * slotFrames);
      });
      const carried = bench.frames.filter((frame) => frame.carried);
      expect(carried.length).toBeGreaterThan(10);
      return;
    }
    throw new Error('the machine stalled in each of 20 tries');
  });

  test('has a header with integers of fixed width, whatever their value', async () => {
    const { frames, messages } = await unstalled(async () => {
      const client = new Client();
      const bench = await open([client], long);
      bench.seq = 0xffff_fffe;
      bench.mediaTime = 0x1_2345_6789;
      const { wakes } = bench;
      bench.engage();
      await until(() => client.messages.length >= 3 || bench.wakes >= wakes + 3);
      const { frames: carried } = bench.disengage();
      return client.messages.length >= 3
        ? { frames: carried, messages: client.messages }
        : undefined;
    });
    const [first, , third] = messages;
    const hex = (count: number, digits: number): string => count.toString(16).padStart(digits, '0');
    const { timeUs, payloadBytes } = frames[0]!;
    const times = `cf0000000123456789cf${hex(Math.round(timeUs), 16)}`;
    const lengths = [hex(29 + payloadBytes, 8), hex(payloadBytes, 4)];
    expect(first!.toString('hex', 0, packetHeaderBytes)).toBe(
      `${lengths[0]}9603cefffffffe${times}00c5${lengths[1]}`,
    );
    expect(first).toHaveLength(packetHeaderBytes + payloadBytes);
    expect(packetOf(third!)).toMatchObject({ seq: 0, mediaTime: 0x1_2345_6789 + 2 * 2_880 });
  });

  test('says of a pause that it is one', async () => {
    const isPause = ({ length }: Buffer): boolean => length <= packetHeaderBytes + 2;
    const messages = await unstalled(async () => {
      const client = new Client();
      const bench = await open([client], long);
      const encoder = pausingEncoder();
      const { wakes } = bench;
      bench.engage({ encoder: encoder.role() });
      await until(() => client.messages.some(isPause) || bench.wakes >= wakes + 3);
      bench.disengage();
      encoder.close();
      return client.messages.some(isPause) ? client.messages : undefined;
    });
    for (const bytes of messages) expect(packetOf(bytes).flags).toBe(isPause(bytes) ? 2 : 0);
    expect(messages.every(isPause)).toBe(false);
  });

  test('is told frame by frame, in the order of what was done', async () => {
    const bench = await open([]);
    bench.sendHere();
    bench.engage();
    await carriedSlots(bench, 12);
    const { frames, unsentFrom } = bench.disengage();
    expect(unsentFrom).toBe(-1);
    expect(frames.length).toBeGreaterThanOrEqual(10);
    frames.forEach(({ timeUs, lateUs, startUs, encodedUs, sentUs }, i) => {
      // A frame is there when its last sample is, 2.5 ms after its first, to some microseconds.
      const times = [timeUs + 2_400, startUs, encodedUs, sentUs, monotonicUs()];
      expect(times).toEqual([...times].sort((a, b) => a - b));
      expect(lateUs).toBeGreaterThanOrEqual(0);
      if (i > 0) expect(startUs).toBeGreaterThanOrEqual(frames[i - 1]!.sentUs);
    });
  });
});

describe('the stream’s owner', () => {
  test('sleeps while frames are carried, and is told after so many', async () => {
    const bench = await open([], { slotFrames: 480 });
    await until(() => bench.capture.peek() !== undefined);
    bench.sendHere();
    bench.engage();
    await slots(bench, 2, 480);
    const { wakes } = bench;
    await slots(bench, 10, 480);
    expect(bench.wakes).toBe(wakes);
    bench.disengage();
    bench.sendHere();
    const told = bench.wakes;
    bench.engage({ tellRows: 4 });
    await until(() => bench.wakes > told);
    // It goes on all the same.
    await carriedSlots(bench, 4, 480);
    expect(bench.disengage().frames.length).toBeGreaterThanOrEqual(7);
  });

  test('sees no slot while it has given the stream away', async () => {
    const bench = await open([]);
    await until(() => bench.capture.peek() !== undefined);
    bench.engage();
    expect(bench.capture.fastPath.engaged).toBe(true);
    expect(bench.capture.peek()).toBeUndefined();
    await carriedSlots(bench, 3);
    expect(bench.capture.peek()).toBeUndefined();
    // Nobody listens: they are encoded, and that is all.
    expect(bench.disengage().frames.length).toBeGreaterThanOrEqual(3);
    expect(bench.capture.fastPath.engaged).toBe(false);
  });

  test('may let go of all that it lent', async () => {
    const bench = await open([]);
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    for (let i = 0; i < 5; i++) {
      bench.sendHere();
      bench.engage({ packet: Buffer.allocUnsafeSlow(packetHeaderBytes + 4_096) });
      collect();
      await carriedSlots(bench, 3);
      expect(bench.disengage().frames.length).toBeGreaterThanOrEqual(2);
    }
  });
});

describe('a frame that is not plain is left to JavaScript:', () => {
  test('one for a client that does not read, from that client on', async () => {
    const { clients, bench, frames, unsentFrom } = await unstalled(async () => {
      const tried = [new Client(), new Client(false), new Client(false)];
      const opened = await open(tried, long);
      await until(() => opened.capture.peek() !== undefined);
      opened.engage();
      await handedOver(opened);
      const left = opened.disengage();
      // Not for the one that reads.
      return left.unsentFrom === 0 ? undefined : { clients: tried, bench: opened, ...left };
    });
    // Two are with the kernel for each who does not read.
    expect([frames.length, unsentFrom]).toEqual([3, 1]);
    const third = bench.packet.subarray(0, 4 + bench.packet.readUInt32BE(0));
    await until(() => clients[0]!.messages.length === 3);
    expect(clients[0]!.messages[2]!.equals(third)).toBe(true);
    bench.sendRest(unsentFrom);
    for (const client of clients.slice(1)) client.read();
    bench.sendHere();
    await until(() => clients.every(({ messages }) => messages.length === bench.seq));
    const [first, ...others] = clients.map(({ received }) => received.toString('hex'));
    expect(others).toEqual([first, first]);
  });

  test.each(['dies', 'is closed here'])('one for a client that %s', async (how) => {
    const { clients, bench, frames, unsentFrom } = await unstalled(async () => {
      const tried = [new Client(), new Client()];
      const opened = await open(tried, long);
      opened.sendHere();
      opened.engage();
      await carriedTo(tried[1]!, opened, 3);
      if (how === 'dies') tried[1]!.die();
      else tried[1]!.socket.close();
      await handedOver(opened);
      const left = opened.disengage();
      // Not for the other one.
      return left.unsentFrom === 0 ? undefined : { clients: tried, bench: opened, ...left };
    });
    expect(unsentFrom).toBe(1);
    await until(() => clients[0]!.messages.length === bench.seq);
    expect(frames.length).toBeGreaterThanOrEqual(3);
  });

  test('one of another length', async () => {
    const bench = await open([]);
    bench.sendHere();
    bench.engage();
    await slots(bench, 3);
    bench.capture.setSlotFrames(240);
    await handedOver(bench);
    const { frames, unsentFrom } = bench.disengage();
    expect(unsentFrom).toBe(-1);
    const slot = bench.capture.peek()!;
    expect(slot.frames).toBe(240);
    expect(slot.positionFrames).toBe(frames.at(-1)!.positionFrames + slotFrames);
  });

  test('one behind a loss', async () => {
    const bench = await open([]);
    bench.sendHere();
    bench.engage();
    await slots(bench, 3);
    await card.control('xrun', 'capture');
    await handedOver(bench);
    const { frames } = bench.disengage();
    const slot = bench.capture.peek()!;
    expect(slot.discontinuity).toBe(true);
    expect(slot.timeUs).toBeGreaterThan(frames.at(-1)!.timeUs);
  });

  test('one that the encoder refuses', async () => {
    // Opus has no frames of 200 samples.
    const bench = await open([], { slotFrames: 200 });
    bench.engage();
    await handedOver(bench);
    expect(bench.disengage()).toEqual({ frames: [], unsentFrom: -1 });
    expect(bench.capture.peek()).toMatchObject({ frames: 200, positionFrames: 0 });
  });

  test('one that finds the log full', async () => {
    const bench = await open([]);
    bench.sendHere();
    bench.engage();
    await slots(bench, 1_280);
    await handedOver(bench);
    const { frames, unsentFrom } = bench.disengage();
    expect([frames.length, unsentFrom]).toEqual([1_280, -1]);
    expect(bench.capture.peek()!.positionFrames).toBe(frames.at(-1)!.positionFrames + slotFrames);
  });
});

describe('messages of JavaScript’s', () => {
  test('are never broken by a packet, nor a packet by them', async () => {
    const client = new Client();
    const bench = await open([client]);
    let texts = 0;
    let handOvers = 0;
    const carried = () => bench.frames.filter((frame) => frame.carried).length;
    bench.engage();
    while (texts < 300 || carried() <= 50 || handOvers === 0) {
      // Longer than the kernel takes at once, and filled with what no packet has.
      const length = 3_000 + ((texts * 7_919) % 20_000);
      const text = Buffer.alloc(4 + length, 0xaa);
      text.writeUInt32BE(length);
      client.send(text);
      texts += 1;
      // Whoever reads it takes its time.
      for (let i = texts % 5; i > 0; i--) await new Promise((resolve) => setImmediate(resolve));
      if (bench.capture.fastPath.engaged && texts % 3 > 0) continue;
      const { unsentFrom } = bench.disengage();
      if (unsentFrom >= 0) handOvers += 1;
      bench.sendRest(unsentFrom);
      bench.sendHere();
      await until(() => client.waiting.length === 0);
      bench.engage();
      await slots(bench, texts % 3);
    }
    const { unsentFrom } = bench.disengage();
    bench.sendRest(unsentFrom);
    await until(() => client.messages.length === texts + bench.seq);
    const packets = client.messages.filter((bytes) => bytes[4] !== 0xaa);
    const others = client.messages.filter((bytes) => bytes[4] === 0xaa);
    expect(others).toHaveLength(texts);
    expect(others.every((bytes) => bytes.subarray(4).every((byte) => byte === 0xaa))).toBe(true);
    expect(packets.map((bytes) => packetOf(bytes).seq)).toEqual(packets.map((_, i) => i));
  });
});

describe('the end', () => {
  test('of the stream, engaged, leaves all that was carried to be told', async () => {
    const client = new Client();
    const bench = await open([client], { slotFrames: 960 });
    bench.sendHere();
    bench.engage();
    await carriedTo(client, bench, 5);
    expect(await bench.capture.close(5_000)).toBe('joined');
    const { frames, unsentFrom } = bench.disengage();
    expect(unsentFrom).toBe(-1);
    await until(() => client.messages.length === bench.seq);
    expect(frames.length).toBeGreaterThanOrEqual(5);
    // What was told once is not told again.
    expect(bench.engage()).toBe(false);
    expect(bench.capture.fastPath.engaged).toBe(false);
    expect(bench.capture.fastPath.disengage()).toEqual({ frames: 0, unsentFrom: -1 });
  });

  test('by an unplug is told, and nothing is sent any more', async () => {
    const client = new Client();
    const bench = await open([client], { slotFrames: 960 });
    bench.sendHere();
    bench.engage();
    await carriedTo(client, bench, 5);
    await card.control('unplug');
    await until(() => bench.error !== undefined);
    // A client that is slow to read has not had the last one yet.
    bench.sendRest(bench.disengage().unsentFrom);
    await until(() => client.messages.length === bench.seq);
    expect(await bench.capture.close(5_000)).toBe('joined');
  });
});
