import { CaptureBench, Client } from '../../../native-alsa/test/CaptureBench.js';
import { until, VirtualCard } from '../../../native-alsa/test/VirtualCard.js';
import { message, type WirePacket } from '../../../native-alsa/test/wire.js';
import { packetBytes, packetToBody, vectors } from '../../../test/contract/vectors.js';
import { outgoing } from '../../../test/helpers/outgoing.js';

let card: VirtualCard;

beforeEach(async () => {
  card = new VirtualCard();
  await card.create();
});
afterEach(() => card.remove());

test('the capture’s fast path writes the bytes that the protocol writes', async () => {
  const client = new Client();
  const bench = await CaptureBench.open(card.device, [client], { slotFrames: 2_880 });
  bench.seq = 0xffff_fffd;
  bench.mediaTime = 2 ** 40;
  bench.engage();
  await until(() => client.messages.length >= 5);
  const { frames } = bench.disengage();
  client.messages.forEach((bytes, i) => {
    const { timeUs, payloadBytes } = frames[i]!;
    const payload = bytes.subarray(bytes.length - payloadBytes);
    const seq = (0xffff_fffd + i) >>> 0;
    const wanted = outgoing(seq, payload, 2 ** 40 + i * 2_880, Math.round(timeUs));
    expect(bytes.toString('hex')).toBe(
      Buffer.from(wanted.bytes.subarray(wanted.start, wanted.end)).toString('hex'),
    );
  });
  await bench.close();
});

test('what the playing fast path is tested with is what the protocol writes', () => {
  const packets = vectors.packets.filter(({ canonical }) => canonical);
  expect(packets.length).toBeGreaterThan(0);
  for (const { body, hex } of packets) {
    const [, seq, mediaTime, captureTimeUs, flags] = body as number[];
    const payload = Buffer.from(body[5] as string, 'hex');
    const packet: WirePacket = {
      seq: seq!,
      mediaTime: mediaTime!,
      captureTimeUs: captureTimeUs ?? undefined,
      flags: flags!,
      payload,
    };
    expect(message(packet).toString('hex')).toBe(hex);
    expect(packetBytes(packetToBody(packet)).toString('hex')).toBe(hex);
  }
});
